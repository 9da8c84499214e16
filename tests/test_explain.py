"""What `jsra config` prints."""

import pytest

from jsra.config import load_config
from jsra.explain import explain


@pytest.mark.parametrize("text", ["one\ntwo", "one\n", "\n", "a\u2028b", "  # no comment", "a: b", "#", "", "None", "1e5"])
def test_any_text_reads_back(tmp_path, text):
    """The name of the file was written into the middle of a text of two lines."""
    path, printed = tmp_path / "a.py", tmp_path / "b.yaml"
    path.write_text(f"_note = {text!r}\ndataset = dict(train=dict(classes=[{text!r}, 'b'], root={text!r}))")
    config = load_config(path)
    for lines in (explain(path), config.dump()):
        printed.write_text(lines)
        assert load_config(printed) == config
