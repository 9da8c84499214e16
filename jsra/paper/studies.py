"""The studies of a finished run, kept next to its result."""

from __future__ import annotations

import json
import os

from jsra.output import write_json
from jsra.paper import classification, diversity, invariance
from jsra.paper.run import read
from jsra.settings import defaults

# kind: (measure(model, config, ...) -> {column: value}, version, raised when its code gives other numbers)
MEASURES = {
    "invariance": (invariance.measure, 1),
    "diversity": (diversity.measure, 1),
    "classification": (classification.measure, 1),
}


def stored(run, kind: str, result: dict, other: bool = False) -> dict | None:
    """What the study `kind` of MEASURES gives for a run (jsra.paper.run.Run) with its result.json, computed once and kept
    next to that: {column: value}, and what it says of each image.

    What is there counts if it was made from this result and as it is made now. A result of other settings (other=True) is not
    measured anew: what was made from it, or None.
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
