"""The table of gpu_compile.py, and a part of it that replaces rows of an older one."""

from __future__ import annotations

import platform

from report import read_section, table_rows


def table(results, toolkit, args):
    """Of everything that ran; of a part (args.only, or a run that was stopped) with the other rows of args.out."""
    rows = {(r["name"],): row(r) for r in results}
    if args.only or args.report:
        rows = {**table_rows(read_section(args.out, "gpu-compile"), 1), **rows}
    failed = [name for name, line in rows.items() if " | yes | " not in line]
    parts = ", ".join(f"{p.name} {p.version}" for p in toolkit.parts.values())
    return "\n".join([
        f"Compiled through Jittor for sm_{args.arch}, no GPU: {len(rows) - len(failed)} of {len(rows)} checks passed. "
        f"Python {platform.python_version()}; {parts}.",
        "",
        "| what | compiled and loaded | s | on |",
        "| --- | --- | --- | --- |",
        *rows.values(),
    ])  # fmt: skip


def row(result):
    outcome = result["error"].splitlines()[0] if result["error"] else "yes"
    return f"| {result['name']} | {outcome} | {result.get('seconds', '')} | {result.get('day', '')} |"
