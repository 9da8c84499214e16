import pytest

from jsra.bench import entries, roi
from jsra.cli import main
from jsra.registry import ConfigError


@pytest.fixture
def small(monkeypatch):
    """Maps of 13 x 19 cells instead of 200 x 304; the extractors of the configs want 256 channels."""
    monkeypatch.setattr(entries, "SHAPE", (2, 256, 13, 19))
    monkeypatch.setattr(entries, "IMAGE", (520, 760))


def test_extractors_are_timed_both_ways(small, capsys):
    assert main(["bench", "roi", "--only", "roi_align", "--only", "sra", "--count", "3", "--repeat", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[:2] for line in lines[3:]] == [
        ["| roi_align", "forward"],
        ["| roi_align", "backward"],
        ["| sra", "forward"],
        ["| sra", "backward"],
    ]


def test_results_hold_every_run(small):
    (forward, backward) = roi.bench(only=["sra"], count=2, repeat=3, report=lambda line: None)
    assert forward["extractor"] == backward["extractor"] == "sra"
    assert len(forward["times"]["jsra"]) == len(backward["times"]["jsra"]) == 3
    assert min(forward["times"]["jsra"] + backward["times"]["jsra"]) > 0


def test_unknown_extractor_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'roi_align'"):
        roi.bench(only=["roi_alin"])
