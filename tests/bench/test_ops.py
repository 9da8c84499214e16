import json
import sys

import numpy as np
import pytest

from jsra.bench import entries, ops
from jsra.cli import main
from jsra.registry import ConfigError


@pytest.fixture
def small(monkeypatch):
    """Maps of 16 channels and 13 x 19 cells instead of 256 and 200 x 304."""
    monkeypatch.setattr(entries, "SHAPE", (2, 16, 13, 19))
    monkeypatch.setattr(entries, "IMAGE", (520, 760))


def test_every_entry_runs_both_directions(small):
    lines = []
    results = ops.bench(count=5, repeat=1, sweep=False, report=lines.append)
    measured = {(r["entry"], r["direction"]) for r in results}
    expected = {
        (e.name, d) for e in entries.all_entries() for d in (("forward", "backward") if e.gradient else ("forward",))
    }
    assert measured == expected
    assert all(len(r["times"]["jsra"]) == 1 and r["times"]["jsra"][0] > 0 for r in results)
    assert len(lines) == 3 + len(results) and all(line.startswith("| ") for line in lines[1:])


def test_the_command_writes_json(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ops, "SWEEP", (2, 4))
    path = tmp_path / "bench.json"
    arguments = ["bench", "ops", "--only", "roi_align ratio 2", "--count", "3", "--repeat", "1", "--json", str(path)]
    assert main(arguments) == 0
    results = json.loads(path.read_text())["results"]
    assert [(r["direction"], r["count"], r.get("sweep", False)) for r in results] == [
        ("forward", 3, False),
        ("backward", 3, False),
        ("forward", 2, True),
        ("backward", 2, True),
        ("forward", 4, True),
        ("backward", 4, True),
    ]
    assert "roi_align ratio 2 | forward | 3" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_inputs():
    first, second = (entries.rois(np.random.default_rng(3), 50) for _ in range(2))
    assert np.array_equal(first, second)
    assert (first[:, 3:] > first[:, 1:3]).all() and first[:, 3].max() <= entries.IMAGE[1]


def test_wrong_arguments_say_what_there_is(bare):
    with pytest.raises(ConfigError, match="no entry contains roi_salign; there are roi_align ratio 2"):
        ops.bench(only=["roi_salign"])
    with pytest.raises(ConfigError, match="--peer /no/such/python: cannot be run"):
        ops.bench(["/no/such/python"], only=["nms"])
    with pytest.raises(ConfigError, match="has neither torchvision nor onnxruntime"):
        ops.bench([bare], only=["nms"])
    if not ops.jt.has_cuda:
        with pytest.raises(ConfigError, match="--device cuda: Jittor finds no GPU here"):
            ops.bench(only=["nms"], device="cuda")


class Fake:
    """A peer with one program, which takes `seconds`."""

    programs = {"torchvision 1": None}

    def __init__(self, seconds):
        self.seconds = seconds

    def ask(self, program, **command):
        assert program == "torchvision 1"
        return {"directions": ["forward"], "seconds": self.seconds, "megabytes": 1}


def test_two_peers_of_one_version_are_not_mixed(tmp_path):
    entry = entries.Entry("x", lambda v: v * 1, lambda rng, count: [np.zeros(3, np.float32)], gradient=False, peer="x",
                          compare=False)  # fmt: skip
    (result,) = ops.measure(entry, [Fake(1.0), Fake(9.0)], 3, 2, str(tmp_path))
    assert {name: times for name, times in result["times"].items() if name != "jsra"} == {
        "torchvision 1": [1.0, 1.0], "torchvision 1 (2)": [9.0, 9.0],
    }  # fmt: skip


def test_a_peer_that_ends_says_so(tmp_path):
    script = tmp_path / "peer.py"
    script.write_text("import json\nprint(json.dumps({'programs': {'torchvision': 'x'}}), flush=True)\n")
    peer = ops.Peer(sys.executable, 1, script=(str(script),))
    peer.process.wait()
    with pytest.raises(ConfigError, match="the peer process ended without a result"):
        peer.ask("torchvision", load="x.npz")
    peer.close()
