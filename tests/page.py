"""Put a generated section into a Markdown page."""

from __future__ import annotations


def _marks(name: str) -> tuple:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def read_section(path: str | None, name: str) -> str:
    """What stands between the marks of `name` in a page; '' if there is none."""
    begin, end = _marks(name)
    try:
        with open(path or "", encoding="utf8") as f:
            page = f.read()
    except FileNotFoundError:
        return ""
    return page.split(begin)[1].split(end)[0] if begin in page and end in page else ""


def table_rows(text: str, keys: int) -> dict:
    """{the first `keys` cells of a row: the row} of the Markdown tables in a text, without their headings."""
    lines = text.splitlines()
    rows = {}
    for i, line in enumerate(lines):
        following = lines[i + 1] if i + 1 < len(lines) else ""
        if line.startswith("| ") and not line.startswith("| ---") and not following.startswith("| ---"):
            cells = tuple(cell.strip() for cell in line.strip("| ").split(" | "))
            rows[cells[:keys]] = line
    return rows


def write_section(path: str, name: str, text: str):
    """Replace what stands between the marks of `name` in a page; the marks are added at its end if it has none."""
    begin, end = _marks(name)
    try:
        with open(path, encoding="utf8") as f:
            page = f.read()
    except FileNotFoundError:
        page = ""
    if begin not in page or end not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n".lstrip()
    before, after = page.split(begin)[0], page.split(end)[1]
    with open(path, "w", encoding="utf8") as f:
        f.write(f"{before}{begin}\n{text.strip()}\n{end}{after}")
