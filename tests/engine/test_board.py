import struct
import threading
from threading import Event, excepthook

import pytest

from jsra.engine.board import PENDING, Board
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


def test_a_disk_that_is_full_at_the_end_prints_no_traceback(tmp_path, capsys):
    """The flush of `close` fails first; the thread, which nobody has told to end, fails later."""
    pytest.importorskip("tensorboardX", reason="writes TensorBoard's files: pip install tensorboardX")
    filled, before = Event(), excepthook

    def full(event=None):
        filled.set()
        raise OSError("no space left")

    board = Board(str(tmp_path))
    events = board._events._ev_writer
    events.flush, events.write_event = full, lambda event: filled.wait(60) and full()
    board.add("loss", 1.0, 1)
    try:
        board.close()
        board._thread.join(60)
    finally:
        threading.excepthook = before
    assert str(board.failed) == "no space left" and "Traceback" not in capsys.readouterr().err


def test_a_resumed_run_takes_back_later_points(tmp_path):
    """TensorBoard leaves out the points of earlier files from the step of a START event on."""
    pytest.importorskip("tensorboardX", reason="writes TensorBoard's files: pip install tensorboardX")
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    with Log(str(tmp_path), 20, 8, interval=1) as log:
        log.iteration(9, 1.0, 0.02, {"loss": 1.0}, 0.0, 2)
    (file,) = (tmp_path / "tensorboard").iterdir()
    data, events = file.read_bytes(), []
    while data:
        size = struct.unpack("<Q", data[:8])[0]
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    assert [event.step for event in events if event.session_log.status == SessionLog.START] == [9]
    assert {event.step for event in events if event.summary.value} == {9}
