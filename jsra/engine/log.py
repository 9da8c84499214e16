"""The records of a run: log.jsonl, the progress bar and, if tensorboardX is installed, TensorBoard.

Durations are measured with the monotonic clock, which is never set back.

log.jsonl has one JSON object per line: {"kind": "run"} when the run starts or resumes (config, seed, commit, versions),
{"kind": "train", "iteration", "epoch", "lr", losses, ...} and {"kind": "val", "iteration", metrics}. A resumed run appends
lines; `read` drops records of iterations that were run again.
"""
from __future__ import annotations

import json
import math
import os
import sys
import time

from jsra.engine.board import board
from jsra.folders import is_file
from jsra.output import json_text, silence
from jsra.registry import ConfigError

FILE = "log.jsonl"


def memory_mib() -> float:
    """Memory of this process now, in MiB: on the GPU if CUDA is used, otherwise the resident set."""
    import jittor as jt  # imported here because reading logs does not need it

    if jt.flags.use_cuda:
        return jt.get_mem_info().total_cuda_used / 2**20
    try:
        with open("/proc/self/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return float("nan")


def is_loss(name: str) -> bool:
    """Whether an entry of a model's losses is part of the total, e.g. 'loss_cls' or 's1.loss_cls'; others are only logged."""
    return name.rpartition(".")[2].startswith("loss")


class Log:
    """Writes the records of one run; a context manager. `active=False` (processes other than the first) writes nothing."""

    def __init__(self, work_dir: str, total: int, iteration: int, interval: int = 20, active: bool = True):
        self.total, self.interval, self.active = total, interval, active
        self._began, self._from = time.monotonic(), iteration
        self._sums, self._count, self._since = {}, 0, time.monotonic()
        self._file = self._board = self._bar = None
        self.closed = False
        if not active:
            return
        os.makedirs(work_dir, exist_ok=True)
        path = os.path.join(work_dir, FILE)
        if os.path.exists(path) and not os.path.isfile(path):
            raise ConfigError(f"{path} is no file: remove it, or choose another work_dir")
        self._file = open(path, "a+", encoding="utf8", errors="replace")
        _end_last_line(self._file)
        self._board = board(work_dir, iteration)
        if getattr(sys.stderr, "isatty", bool)():  # a user's stream that copies to a file may have only write and flush
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=iteration, unit="it", dynamic_ncols=True, smoothing=0.1)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """End the bar and the files; a second time it does nothing."""
        self.closed = True
        board, self._board = self._board, None
        for part in (self._bar, board, self._file):
            if part is not None:
                part.close()

    def info(self, text: str):
        """Print one line without breaking the bar. If the output is closed (`| head`), the run continues silently."""
        if not self.active:
            return
        try:
            self._bar.write(text, sys.stderr) if self._bar is not None else print(text, file=sys.stderr, flush=True)
        except OSError:
            silence(2)

    def record(self, kind: str, **values):
        """Append one line to log.jsonl."""
        if self._file is not None:
            self._file.write(json_text({"kind": kind, "time": round(time.time(), 3), **values}) + "\n")
            self._file.flush()

    def iteration(self, iteration: int, epoch: float, lr: float, values: dict, waited: float, images: int):
        """Add one finished iteration; after every `interval` iterations their means are written.

        `waited`: seconds spent waiting for the batch; `images`: images in the joint batch.
        """
        if not self.active:
            return
        self._count += 1
        for name, value in {**values, "data_s": waited}.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {values['loss']:.3f}  lr {lr:.2g}  {memory_mib():.0f} MiB", refresh=False)
            self._bar.update()
        if iteration % self.interval and iteration != self.total:
            return
        now = time.monotonic()
        means = {name: value / self._count for name, value in self._sums.items()}
        seconds = (now - self._since) / self._count
        left = (self.total - iteration) * (now - self._began) / max(iteration - self._from, 1)
        extra = dict(lr=lr, iteration_s=seconds, images_per_s=images / seconds)
        extra.update(memory_mib=round(memory_mib(), 1), left_s=round(left))
        self.record("train", iteration=iteration, epoch=round(epoch, 4), **means, **extra)
        if self._board is not None:
            for name, value in {**means, **extra}.items():
                self._board.add(f"train/{name}", value, iteration)
            self._check_board()
        if self._bar is None:
            losses = "  ".join(f"{name} {value:.4f}" for name, value in means.items() if is_loss(name))
            self.info(
                f"{iteration}/{self.total}  epoch {epoch:.2f}  {losses}  lr {lr:.3g}  {seconds:.3f} s/it  "
                f"(data {means['data_s']:.3f})  {extra['memory_mib']:.0f} MiB  left {duration(left)}"
            )
        self._sums, self._count, self._since = {}, 0, now

    def _check_board(self):
        if self._board.failed is not None:
            self.info(f"warning: TensorBoard's file is not written any more ({self._board.failed}); the run continues")
            self._board.close()
            self._board = None

    def metrics(self, iteration: int, metrics: dict):
        """Write the result of an evaluation; TensorBoard gets only its numbers."""
        self.record("val", iteration=iteration, **metrics)
        if self._board is not None:
            for name, value in metrics.items():
                if isinstance(value, (int, float)) and math.isfinite(value):  # AP is NaN for sizes that do not occur
                    self._board.add(f"val/{name}", value, iteration)
        self._since = time.monotonic()


def _end_last_line(file):
    """End an incomplete last line (of a crash), so that the next record does not become part of it."""
    file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
    if file.read(1) not in ("", "\n"):
        file.write("\n")


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    seconds = int(seconds)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def read(path: str) -> dict:
    """{'run': [...], 'train': [...], 'val': [...]} of a log.jsonl or of its work_dir.

    For iterations that a resumed run has run again, the later record counts. Incomplete lines and lines that are not records
    are left out. Raises FileNotFoundError if there is no log.
    """
    path = os.path.join(path, FILE) if os.path.isdir(path) else path
    if not is_file(path):
        raise FileNotFoundError(f"{path}: there is no training log; give a work_dir of `jsra train` or its {FILE}")
    found = {"run": [], "train": [], "val": []}
    with open(path, encoding="utf8", errors="replace") as f:
        for line in f:
            try:
                record = json.loads(line)
                kind = record.pop("kind")
                whole = kind in found and isinstance(record["iteration"], int)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
            if not whole:
                continue
            if kind == "run":
                for earlier in ("train", "val"):
                    found[earlier] = [r for r in found[earlier] if r["iteration"] <= record["iteration"]]
            found[kind].append(record)
    return found
