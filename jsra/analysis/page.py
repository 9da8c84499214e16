"""The page of an analysis: one HTML file that contains its pictures, so it can be opened without a network."""

from __future__ import annotations

import base64
import html
import os

from jsra.output import visible

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
td, th { padding: 3px 12px; border-bottom: 1px solid #ddd; text-align: right; }
td:first-child, th:first-child { text-align: left; } img { max-width: 100%; height: auto; }
figure { margin: 1.5em 0; } figcaption { color: #555; } .grid { display: grid; grid-template-columns: 1fr 1fr; gap: 1em; }
"""


def table(head, rows) -> str:
    """An HTML table; every cell is escaped."""

    def line(tag, cells):
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line("th", head) + "".join(line("td", row) for row in rows) + "</table>"


def picture(path, caption="") -> str:
    """An HTML figure that contains the data of the image file; with None as the path, only the caption."""
    text = html.escape(caption)
    if path is None:
        return f"<figure><figcaption>{text}</figcaption></figure>"
    kind = "jpeg" if path.endswith(".jpg") else "png"
    with open(path, "rb") as f:
        content = base64.b64encode(f.read()).decode("ascii")
    alt = text or html.escape(os.path.basename(path))
    return f'<figure><img alt="{alt}" src="data:image/{kind};base64,{content}"><figcaption>{text}</figcaption></figure>'


def page(title, parts) -> str:
    """parts: [(heading, HTML)]."""
    body = "".join(f"<h2>{html.escape(heading)}</h2>{content}" for heading, content in parts)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    body = f"<h1>{html.escape(title)}</h1>{body}"
    return visible(f"<!doctype html><html lang=\"en\"><head>{head}</head><body>{body}</body></html>\n")
