"""Put a generated section into a Markdown page."""

from __future__ import annotations


def write_section(path: str, name: str, text: str):
    """Replace what stands between the marks of `name` in a page; the marks are added at its end if it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
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
