"""The studies of a finished run, kept next to its result."""

from __future__ import annotations

import json
import os

from jsra.paper import diversity, invariance

MEASURES = {"invariance": invariance.measure, "diversity": diversity.measure}


def stored(run, kind: str) -> dict:
    """{column: value} of a finished run (jsra.paper.run.Run), computed once and kept beside its result.

    kind: 'invariance' or 'diversity'.
    """
    path = os.path.join(run.work_dir, f"{kind}.json")
    if os.path.isfile(path):
        with open(path, encoding="utf8") as f:
            found = json.load(f)
        if found["fingerprint"] == run.fingerprint:
            return found["measured"]
    from jsra.paper import diversity, invariance

    measured = {"invariance": invariance.measure, "diversity": diversity.measure}[kind](run.model(), run.config)
    with open(f"{path}.unfinished", "w", encoding="utf8") as f:
        json.dump({"fingerprint": run.fingerprint, "measured": measured}, f, indent=1)
    os.replace(f"{path}.unfinished", path)
    return measured
