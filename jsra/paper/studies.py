"""The studies of a finished run, kept next to its result."""

from __future__ import annotations

import json
import os

from jsra.output import write_json
from jsra.paper import classification, diversity, invariance
from jsra.paper.run import read
from jsra.settings import defaults

# kind: (measure(model, config, ...) -> {column: value}, version), increased when the code gives other numbers
MEASURES = {
    "invariance": (invariance.measure, 1),
    "diversity": (diversity.measure, 1),
    "classification": (classification.measure, 1),
}


def stored(run, kind: str, result: dict, other: bool = False) -> dict | None:
    """The values of the study `kind` (a key of MEASURES) for a run (jsra.paper.run.Run) with its result.json: {column:
    value}, and per-image values where the study has them. They are computed once and stored next to result.json.

    Stored values are used if they were made from this result with the current version and defaults of the study. With
    other=True, a result of other settings is not measured again: returns its stored values, or None.
    """
    measure, version = MEASURES[kind]
    path = os.path.join(run.work_dir, f"{kind}.json")
    identity = {**json.loads(json.dumps(defaults(measure))), "version": version}
    current = result.get("settings") == run.settings
    found = read(path)
    if found is not None:
        as_now = found.get("study") == identity or (other and not current)
        if found.get("fingerprint") == result["fingerprint"] and as_now:
            return found["measured"]
    if not current:
        return None
    content = {"fingerprint": result["fingerprint"], "study": identity, "measured": measure(run.model(), run.config)}
    write_json(path, content)
    return content["measured"]
