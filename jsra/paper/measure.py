"""A table's report: for each row the published numbers, those measured here, their spread over seeds, and the state.

A report is plain data, printed by `jsra table N --json`:
    {table, title, preset, cost_only, columns,
     rows: [{name, published, measured, std, seeds, values, difference, state, note}],
     against: name of the row with which `gains` compares,
     gains: [{name, against, column, mean, error, seeds, paired}]}
In values, {column: list}, each list has one entry for each of `seeds`, None if there is no value.
"""

from __future__ import annotations

import math
from collections import Counter

from jsra.paper import classification, side_by_side
from jsra.paper import run as runs
from jsra.paper.rows import COST, PRESETS, Row, Table

# For each preset: studies of trained models whose columns are shown next to AP.
WITH_AP = {"real": ("classification",)}


def report(table: Table, preset: str = "paper", names=None, seeds: int = 1, train: bool = False, cost_only: bool = False,
           root: str = "work_dirs", overrides=(), say=print, jobs: int = 1, other: bool = False) -> dict:  # fmt: skip
    """Measure the rows of a table; returns its report.

    names: rows to use (None: all). seeds: number of trainings of each row, with seeds 0, 1, ... train: train missing rows;
    otherwise only existing results are read. cost_only: only parameters and FLOPs. overrides: for every config; they are part
    of a run's identity. say: called with a line of text before a row is trained. jobs: trainings at the same time; if above
    1, each runs in a separate process. other: also read results of other settings or of an earlier version of the code; the
    row's state says so.

    With `train`, raises OtherSettings for such a result, before anything is trained.
    """
    selected, rows, per_image = table.select(names), [], {}
    # A wrong override is reported here, not after other rows have been trained and Jittor has compiled.
    every = {row.name: runs.runs(row, preset, seeds, root, overrides) for row in selected}
    if train and table.kind != "cost":
        # Rows that share a config share its runs.
        missing = {run.work_dir: (name, run) for name, found in every.items() for run in found if run.result() is None}
        for _, run in missing.values():
            run.check_begun()
        if jobs > 1:
            side_by_side.complete(missing.values(), jobs, overrides, say)
    for row in selected:
        measured, per_image[row.name] = _measure(
            table, row, preset, every[row.name], train, cost_only, overrides, say, other
        )
        rows.append(measured)
    measured = {c for row in rows for c in row["measured"]}
    columns = [c for c in table.columns if not cost_only or _is_cost(c)]
    columns += sorted(measured - set(columns), key=_order)
    out = {"table": table.key, "title": table.title, "preset": preset, "cost_only": cost_only, "columns": columns}
    return {**out, "rows": rows, **gains(rows, per_image)}


def _absent(row, preset):
    """The state to print for a row that has no config in the preset."""
    return f"no {preset} config" if any(map(row.config, PRESETS)) else row.absent


def _is_cost(column):
    return column in COST or column in ("P1", "P2", "P3", "P4", "P5")


def _order(column):
    return (column in COST, column == "AP_transformed", column)


def _measure(table, row: Row, preset, row_runs, train, cost_only, overrides, say, other):
    """(the row of the report, {seed: per_image of jsra.paper.classification.measure})."""
    path = row.config(preset)
    published = {c: v for c, v in row.published.items() if not cost_only or _is_cost(c)}
    out = {"name": row.name, "published": published, "note": row.note, "config": path}
    cost = {}
    results = {}  # seed -> {column: value}
    if path is None:
        out["state"] = _absent(row, preset)
    else:
        cost = _cost(table, row, path, overrides) if cost_only or table.has_cost else {}
        if not cost_only and table.kind != "cost":
            for one in row_runs:
                found = _one(table, one, preset, train, say, row, other)
                if found is not None:
                    results[one.seed] = found
        out["state"] = "counted" if cost_only or table.kind == "cost" else _state(row_runs, results)
    per_image = {seed: found.pop(classification.PER_IMAGE, None) for seed, found in results.items()}
    columns = {c: None for found in results.values() for c, value in found.items() if value is not None}
    out["seeds"] = list(results)
    out["values"] = {c: [found.get(c) for found in results.values()] for c in columns}
    numbers = {c: [v for v in values if v is not None] for c, values in out["values"].items()}
    out["measured"] = {c: sum(v) / len(v) for c, v in numbers.items()}
    out["measured"].update({c: v for c, v in cost.items() if v is not None})
    out["std"] = {c: std(v) for c, v in numbers.items() if len(v) > 1}
    # The AP of a mini run is on another dataset: there only costs and similarities may be compared with the paper's.
    comparable = preset == "paper" or table.kind == "invariance"
    out["difference"] = {
        c: out["measured"][c] - v for c, v in published.items() if c in out["measured"] and (comparable or cost_only)
    }
    return out, {seed: images for seed, images in per_image.items() if images}


def _one(table, one, preset, train, say, row, other):
    """{column: value} of one run of a row, or None. other: also read a result of other settings."""
    if train and one.state() != "trained":
        say(f"{row.name}, seed {one.seed}: training {one.work_dir}")
    try:
        result = one.complete(train)
    except runs.OtherSettings:
        if train:
            raise
        result = one.stored() if other else None
    if result is None:
        return None
    from jsra.paper import studies
    from jsra.runtime.distributed import on_main

    if table.kind != "detection":
        return on_main(lambda: studies.stored(one, table.kind, result, other))
    found = _printed(table, result["measured"])
    for kind in WITH_AP.get(preset, ()):
        found.update(on_main(lambda kind=kind: studies.stored(one, kind, result, other)) or {})
    return found


def _printed(table, measured):
    """{column: value} with the table's names: AP, AP50, ... are box_AP, box_AP50, ... in a table with boxes and masks."""
    if "box_AP" not in table.columns:
        return measured
    return {f"box_{c}" if c.startswith("AP") and not c.startswith("AP_") else c: v for c, v in measured.items()}


def _state(row_runs, done):
    """The state to print for all seeds: 'trained' if all have results of these settings."""
    states = {run.seed: run.state() for run in row_runs}
    said = {seed: state for seed, state in states.items() if seed not in done or state != "trained"}
    if len(said) == len(states) > 1 and len(set(said.values())) == 1:
        return f"all seeds {next(iter(said.values()))}"
    return "; ".join(f"seed {seed} {state}" for seed, state in said.items()) or "trained"


def _cost(table, row, path, overrides):
    from jsra.paper import cost, formulas

    if table.kind == "cost":
        found = formulas.learned_region_columns(cost.built(path, overrides), row.settings)
        return {c: v for c, v in found.items() if c in table.columns}
    found = cost.count(cost.built(path, overrides))
    return {c: found[c] for c in ("params_M", "gflops", "executed_gflops", "avg_samples") if c in found}


def std(values) -> float:
    """The sample standard deviation."""
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


GAINED = (
    "AP", "box_AP", "mask_AP", "AP_transformed", "rotation", "reflection", "scaling_panning", "vid_AP", "voc_AP50",
)  # fmt: skip


def gains(rows, per_image=None, columns=GAINED) -> dict:
    """Each row's gain over the row 'RoI Align' (if there is none: the first row), over the seeds for which both have a value.

    If the names of several rows begin with 'RoI Align' (table 10: one per dataset), the first that has the column is used.
    seeds: number of seeds. error: the standard error of the difference of the two means, sqrt((s1^2 + s2^2) / n); seeds are
    not paired, because the same seed gives two models different initial weights. per_image: {row name: {seed: per_image of
    jsra.paper.classification.measure}}; for its columns the differences are between the same boxes (`paired`).
    """
    if len(rows) < 2:
        return {"against": None, "gains": []}
    bases = [row for row in rows if row["name"].startswith("RoI Align")] or rows[:1]
    found = []
    for row in rows:
        for column in columns:
            base = next((row for row in bases if _by_seed(row, column)), bases[0])
            ours, theirs = _by_seed(row, column), _by_seed(base, column)
            both = [seed for seed in ours if seed in theirs]
            if row is base or not both:
                continue
            ours, theirs = [ours[seed] for seed in both], [theirs[seed] for seed in both]
            error = math.sqrt((std(ours) ** 2 + std(theirs) ** 2) / len(both)) if len(both) > 1 else None
            mean = (sum(ours) - sum(theirs)) / len(both)
            found.append(_gain(row, base, column, mean, error, len(both), False))
        base = bases[0]
        ours, theirs = ((per_image or {}).get(r["name"], {}) for r in (row, base))
        both = [seed for seed in ours if seed in theirs]
        if row is not base and both:
            paired = classification.differences(*({s: images[s] for s in both} for images in (ours, theirs)))
            found += [_gain(row, base, column, *values, len(both), True) for column, values in paired.items()]
    return {"against": bases[0]["name"], "gains": found}


def _gain(row, base, column, mean, error, seeds, paired):
    return {"name": row["name"], "against": base["name"], "column": column, "mean": mean, "error": error, "seeds": seeds,
            "paired": paired}  # fmt: skip


def _by_seed(row, column):
    """{seed: value} of a column of a row."""
    return {s: v for s, v in zip(row["seeds"], row["values"].get(column, ())) if v is not None}


def states(preset: str = "paper", seeds: int = 1, root: str = "work_dirs") -> list:
    """[(table, [(row, state)])] of every table, from the files in `root`; no model is built.

    state: e.g. 'trained' if it is the same for all seeds, otherwise e.g. '1 trained, 3 not trained'.
    """
    from jsra.paper.rows import tables

    out = []
    for table in tables().values():
        listed = []
        for row in table.rows:
            found = runs.runs(row, preset, seeds, root)
            if not found:
                listed.append((row, _absent(row, preset)))
            elif table.kind == "cost":
                listed.append((row, "counted"))
            else:
                counted = Counter(run.state() for run in found)
                several = len(counted) > 1
                listed.append((row, ", ".join(f"{n} {state}" if several else state for state, n in counted.items())))
        out.append((table, listed))
    return out
