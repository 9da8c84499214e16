import pytest

from jsra.engine.board import PENDING
from jsra.engine.log import Log, read


def test_a_full_disk_does_not_stop_the_run(tmp_path, capsys):
    """The thread of tensorboardX ends with its first error; its queue would then become full and wait without end."""
    pytest.importorskip("tensorboardX", reason="writes TensorBoard's files: pip install tensorboardX")

    def full(event):
        raise OSError("no space left")

    with Log(str(tmp_path), PENDING, 0, interval=1) as log:
        log._board._events._ev_writer.write_event = full
        for i in range(1, PENDING // 2):
            log.iteration(i, i / 10, 0.02, {"loss": 1.0}, 0.0, 2)
    said = capsys.readouterr().err
    assert said.count("TensorBoard's file is not written any more (no space left); the run continues") == 1
    assert "Traceback" not in said and len(read(str(tmp_path))["train"]) == PENDING // 2 - 1
