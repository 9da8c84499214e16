"""A report of jsra.paper.measure as text, Markdown, CSV, JSON or a plot."""

from __future__ import annotations

import csv
import io

from jsra.output import json_text, pyplot, save_figure
from jsra.paper.rows import COST
from jsra.registry import ConfigError

FORMATS = ("text", "markdown", "csv", "json")


def render(report: dict, form: str = "text") -> str:
    """The report in one of FORMATS."""
    if form not in FORMATS:
        raise ConfigError(f"format {form!r}; known: {', '.join(FORMATS)}")
    return {"text": text, "markdown": markdown, "csv": comma_separated, "json": as_json}[form](report)


def as_json(report: dict) -> str:
    return json_text(report, indent=1)


def comma_separated(report: dict) -> str:
    """One line per row and column: table, preset, row, column, published, measured, std, seeds, difference."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "preset", "row", "column", "published", "measured", "std", "seeds", "difference"])
    for row in report["rows"]:
        for column in report["columns"]:
            numbers = [row[key].get(column, "") for key in ("published", "measured", "std", "difference")]
            if numbers[:2] != ["", ""]:
                count = sum(v is not None for v in row["values"].get(column, ())) or ""
                writer.writerow(
                    [report["table"], report["preset"], row["name"], column, *numbers[:3], count, numbers[3]]
                )
    return out.getvalue().rstrip("\n")


def text(report: dict) -> str:
    """The report as a table of plain text, with legend, gains and notes below."""
    from jsra.evaluation.tables import text_table

    header, rows = _cells(report)
    return "\n".join(
        [_title(report), text_table(header, rows), *_legend(report), *_gain_lines(report), *_notes(report)]
    )


def markdown(report: dict) -> str:
    """The report as a Markdown table, with legend, gains and notes below."""
    header, rows = _cells(report)
    lines = [f"**{_title(report)}**", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    after = [*_legend(report), *_gain_lines(report), *_notes(report)]
    return "\n".join([*lines, "", *(f"{line}  " for line in after)]).rstrip()


def _title(report):
    if report["preset"] != "paper":
        place = {"mini": "in miniature, on the puppets", "real": "on photographs, with a frozen backbone"}[report["preset"]]
        whose = "the paper's: " if any(row["published"] for row in report["rows"]) else ""
        return f"Table {report['table']} {place} ({whose}{report['title']})"
    return f"Table {report['table']}, {report['preset']}: {report['title']}"


def _cells(report):
    """Header and rows of strings: 'measured (published, difference)'."""
    shown = [c for c in report["columns"] if any(c in r["published"] or c in r["measured"] for r in report["rows"])]
    states = any(r["state"] not in ("trained", "counted") for r in report["rows"])
    header = ["row", *shown, *(["state"] if states else [])]
    rows = []
    for row in report["rows"]:
        cells = [_cell(row, c) for c in shown]
        rows.append([row["name"] + ("*" if row["note"] else ""), *cells, *([row["state"]] if states else [])])
    return header, rows


def _cell(row, column):
    published, measured = row["published"].get(column), row["measured"].get(column)
    digits = _digits(column, published)
    parts = []
    if published is not None:
        parts.append(f"{published:.{digits}f}")
    if column in row["difference"]:
        parts.append(f"{row['difference'][column]:+.{digits}f}")
    behind = f" ({', '.join(parts)})" if parts else ""
    if measured is None:
        return f"-{behind}"
    spread = f" ±{row['std'][column]:.{digits}f}" if column in row["std"] else ""
    return f"{measured:.{digits}f}{spread}{behind}"


def _digits(column, published):
    if published is not None and column not in COST and "AP" not in column:
        return max(1, len(f"{published}".partition(".")[2]))
    if column in ("executed_gflops", "gflops") and published is not None:
        return max(1, len(f"{published}".partition(".")[2]))
    return 2 if column in ("rotation", "reflection", "scaling_panning", "log_loss") else 1


def _legend(report):
    lines = []
    if any(row["published"] for row in report["rows"]):
        difference = ", difference" if any(row["difference"] for row in report["rows"]) else ""
        what = "counted here" if report["cost_only"] else "measured here ± standard deviation over seeds"
        lines.append(f"{what} (published{difference})")
    if report["preset"] != "paper" and any(row["published"] for row in report["rows"]):
        data = {"mini": "the puppets", "real": "1,436 images with a frozen backbone"}[report["preset"]]
        lines.append(
            f"{report['preset']} runs are trained on {data}: their AP says nothing about the published one, which is COCO's"
        )
    return lines


def _gain_lines(report):
    lines = []
    for gain in report["gains"]:
        error = "" if gain["error"] is None else f" ± {gain['error']:.2f}"
        lines.append(
            f"{gain['name']} - {gain['against']}, {gain['column']}: {gain['mean']:+.2f}{error} ({gain['seeds']} seeds)"
        )
    if any(gain["error"] is not None and not gain["paired"] for gain in report["gains"]):
        lines.append("± standard error of the difference of two means")
    if any(gain["paired"] for gain in report["gains"]):
        lines.append("± of accuracy and log_loss: standard error of the difference on the same boxes, over images and seeds")
    return lines


def _notes(report):
    return [f"* {row['name']}: {row['note']}" for row in report["rows"] if row["note"]]


def plot(report: dict, out: str) -> str:
    """Bars of the measured columns with error bars (standard deviation over seeds), the published values as dots."""
    columns = [c for c in report["columns"] if c not in COST and any(c in r["measured"] for r in report["rows"])]
    columns = columns or [c for c in report["columns"] if any(c in r["measured"] for r in report["rows"])]
    if not columns:
        raise ConfigError(f"table {report['table']}: nothing is measured yet, so there is nothing to plot")
    rows = report["rows"]
    figure, axes = pyplot().subplots(
        1, len(columns), figsize=(1.2 + 2.1 * len(columns), 0.9 + 0.34 * len(rows)), sharey=True
    )
    for axis, column in zip([axes] if len(columns) == 1 else axes, columns):
        for i, row in enumerate(rows):
            if column in row["measured"]:
                axis.barh(i, row["measured"][column], xerr=row["std"].get(column), color="tab:blue", capsize=3)
            if column in row["published"] and row["difference"]:
                axis.plot(row["published"][column], i, "o", color="tab:orange")
        axis.set_title(column, fontsize=9)
        axis.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
        axis.margins(x=0.1)
    figure.axes[0].invert_yaxis()
    figure.tight_layout()
    return save_figure(figure, out)
