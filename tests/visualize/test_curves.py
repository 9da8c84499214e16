import os
import subprocess
import sys

import pytest

from jsra.engine.log import Log
from jsra.registry import ConfigError
from jsra.visualize.curves import curves, plot


def make_run(path, losses, aps=()):
    with Log(str(path), len(losses), 0, interval=1) as log:
        log.record("run", iteration=0)
        for i, loss in enumerate(losses, 1):
            log.iteration(i, i / 10, 0.02, {"loss": loss, "loss_cls": loss / 2}, 0.0, 2)
        for i, ap in enumerate(aps, 1):
            log.metrics(i, {"bbox_mAP": ap, "bbox_mAP_50": ap})
    return str(path)


def test_series_of_several_runs(tmp_path):
    a = make_run(tmp_path / "a" / "run", [3.0, 2.0, 1.0], [0.1, 0.2])
    b = make_run(tmp_path / "b" / "run", [4.0, 3.0])
    found = curves([a, os.path.join(b, "log.jsonl")])
    assert list(found) == ["loss", "lr", "bbox_mAP"]
    assert found["loss"] == [("a/run", [1, 2, 3], [3.0, 2.0, 1.0]), ("b/run", [1, 2], [4.0, 3.0])]
    assert found["bbox_mAP"] == [("a/run", [1, 2], [0.1, 0.2])]
    with pytest.raises(ConfigError, match="did you mean 'loss_cls'"):
        curves([a], ["loss_class"])


def test_several_logs_of_a_folder(tmp_path):
    """The log of an earlier run, kept under another name; and one log twice."""
    run = make_run(tmp_path / "run", [9.0, 8.0])
    os.rename(os.path.join(run, "log.jsonl"), os.path.join(run, "old.jsonl"))
    make_run(tmp_path / "run", [3.0])
    found = curves([run, os.path.join(run, "old.jsonl"), os.path.join(run, "log.jsonl")], ["loss"])["loss"]
    assert sorted(found) == [("log.jsonl", [1], [3.0]), ("old.jsonl", [1, 2], [9.0, 8.0])]


def test_what_a_resumed_run_ran_again_counts_once(tmp_path):
    path = make_run(tmp_path / "r", [3.0, 2.0, 1.0])
    with Log(path, 4, 2, interval=1) as log:
        log.record("run", iteration=2)
        log.iteration(3, 0.3, 0.02, {"loss": 0.5}, 0.0, 2)
    with open(os.path.join(path, "log.jsonl"), "a") as f:
        f.write('{"kind": "train", "itera')
    assert curves([path], ["loss"])["loss"] == [("r", [1, 2, 3], [3.0, 2.0, 0.5])]


def test_no_run_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="jsra train"):
        curves([str(tmp_path)])


def test_plot_writes_a_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'jsra[dev]'")
    from PIL import Image

    out = plot([make_run(tmp_path / "a", [3.0, 2.0], [0.1])], str(tmp_path / "figures" / "curves.png"))
    with Image.open(out) as picture:
        assert picture.width > 600


def test_names_that_matplotlib_would_read_otherwise(tmp_path):
    """`$a_{` begins a formula without an end, and a legend leaves out labels that begin with an underscore."""
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'jsra[dev]'")
    from matplotlib import pyplot

    runs = [make_run(tmp_path / name, [3.0, 2.0]) for name in ("$a_{b$", "_c", "caf\udce9")]
    figures = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyplot, "close", figures.append)
        plot(runs, str(tmp_path / "curves.png"))
    legend = [text.get_text() for text in figures[0].axes[0].get_legend().get_texts()]
    pyplot.close(figures[0])
    assert legend == [r"\$a_{b\$", " _c", r"caf\udce9"]  # bytes of a name that are not UTF-8, as numbers


def fresh(code, **environment):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_backend_of_a_notebook():
    """A notebook passes its backend on to commands, where it may not be installed; in the notebook itself it is kept."""
    code = "import os; from jsra.output import pyplot; print(pyplot().get_backend().lower(), os.environ['MPLBACKEND'])"
    given = "module://a_notebooks.backend"
    assert fresh(code, MPLBACKEND=given) == ["agg", given]
    code = "from matplotlib import pyplot as p; from jsra.output import pyplot; pyplot(); print(p.get_backend().lower())"
    assert fresh(code, MPLBACKEND="svg") == ["svg"]
