"""Training curves of one or several runs, with matplotlib."""
from __future__ import annotations

import os

from jsra.engine import log
from jsra.output import figure_file, pyplot, save_figure
from jsra.registry import ConfigError, nearest
from jsra.visualize.literal import literal

# Training records that are not losses are drawn only if requested.
_DEFAULT = ("loss", "lr")


def curves(runs, keys=None) -> dict:
    """{key: [(run name, iterations, values)]} of the runs' logs.

    runs: work_dirs or log.jsonl files. keys: names of training or validation values; default: the total loss, the learning
    rate and the main metrics of the evaluations. A log that is given twice counts once. Raises FileNotFoundError, and
    ConfigError for a key that no run has.
    """
    logs = (os.path.join(run, log.FILE) if os.path.isdir(run) else run for run in runs)
    runs = list({os.path.realpath(path): run for path, run in zip(logs, runs)}.values())
    names = _names(runs)
    records = [log.read(run) for run in runs]
    series = {}
    for name, record in zip(names, records):
        for kind in ("train", "val"):
            for entry in record[kind]:
                for key, value in entry.items():
                    if isinstance(value, (int, float)) and key not in ("iteration", "time", "epoch"):
                        series.setdefault(key, {}).setdefault((name, kind), []).append((entry["iteration"], value))
    wanted = keys or [k for k in _DEFAULT if k in series] + _headline(records)
    for key in wanted:
        if key not in series:
            raise ConfigError(f"no run has a value {key!r}{nearest(key, series)}")
    return {
        key: [(name, [i for i, _ in points], [v for _, v in points]) for (name, _), points in series[key].items()]
        for key in wanted
    }


def _headline(records):
    """The names of the main metrics: the first value of each evaluation."""
    found = []
    for record in records:
        for entry in record["val"]:
            numbers = [k for k, v in entry.items() if isinstance(v, (int, float)) and k not in ("iteration", "time")]
            if numbers and numbers[0] not in found:
                found.append(numbers[0])
    return found


def _names(runs):
    """Short names of the runs, those of their folders; longer ones if they would be equal."""
    paths = list(map(os.path.abspath, runs))
    folders = [os.path.dirname(p) if os.path.isfile(p) else p for p in paths]
    paths = [p if folders.count(folder) > 1 else folder for p, folder in zip(paths, folders)]
    parts = 1
    while True:
        names = ["/".join(p.split(os.sep)[-parts:]) for p in paths]
        if len(set(names)) == len(names):
            return names
        parts += 1


def plot(runs, out: str, keys=None) -> str:
    """Draw the curves of `runs`, one panel per key, into the file `out` (.png, .svg, .pdf). Returns `out`."""
    figure_file(out, "out")
    found = curves(runs, keys)
    if not found:
        raise ConfigError(f"nothing to draw yet: {', '.join(map(str, runs))} have no training records")
    columns = min(len(found), 3)
    rows = -(-len(found) // columns)
    figure, axes = pyplot().subplots(rows, columns, figsize=(5 * columns, 3.6 * rows), squeeze=False, constrained_layout=True)
    for axis, (key, lines) in zip(axes.flat, found.items()):
        for name, iterations, values in lines:
            mark = "o" if len(values) < 30 else None
            axis.plot(iterations, values, label=literal(name), linewidth=1.4, marker=mark, markersize=3)
        axis.set_title(literal(key))
        axis.set_xlabel("iteration")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    for axis in list(axes.flat)[len(found) :]:
        axis.axis("off")
    return save_figure(figure, out)
