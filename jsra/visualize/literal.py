"""Names of users in figures of matplotlib."""


def literal(text: str) -> str:
    """The text such that matplotlib draws it as it is: `$` would begin a formula, and a legend would leave out a label that
    begins with an underscore."""
    text = str(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
