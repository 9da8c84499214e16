"""Names of users in figures of matplotlib."""

from jsra.output import visible


def literal(text: str) -> str:
    """The text such that matplotlib draws it as it is: `$` would begin a formula, and a legend would leave out a label that
    begins with an underscore. Surrogates, which it does not take, are written as numbers."""
    text = visible(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
