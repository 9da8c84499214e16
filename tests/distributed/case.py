"""A table of two small SRA detectors (Faster R-CNN R18-FPN, real heads) on eight pictures, run by one process or by two.

Two processes give the same numbers as one if all images have the same number of samples and none is drawn at random: all
anchors and all proposals are samples, and no proposal suppresses another.
"""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

from jsra.engine import checkpoint, log
from jsra.runtime.after_jittor import give_signals_back
from tests.toy_detector import make_dataset

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROWS = {"gamma 1st": "puppets_r18_fpn_sra_gamma_1st", "gamma 3rd (default)": "puppets_r18_fpn_sra"}  # of table 3
ITERATIONS = 20
SPLITS = ("train", "val", "test", *(f"test_{s}" for s in ("fixed", "rotation", "reflection", "perspective", "pose", "scale")))
MODEL = {
    "backbone.base_channels": 8, "backbone.norm_eval": True, "neck.in_channels": [8, 16, 32, 64], "neck.out_channels": 16,
    "rpn.anchor_generator.scales": [4.3], "rpn.anchor_generator.ratios": [0.6, 1.07, 1.8],
    "rpn.in_channels": 16, "rpn.feat_channels": 16,
    "rpn.assigner.neg_iou_thr": 0.7, "rpn.sampler.num": 800,
    "rpn.train_proposals.nms_pre": 400, "rpn.train_proposals.max_per_img": 400, "rpn.train_proposals.nms_thr": 1.0,
    "rpn.test_proposals.nms_pre": 300, "rpn.test_proposals.max_per_img": 300,
    "roi_head.box.extractor.out_channels": 16, "roi_head.box.extractor.roi_layer.in_channels": 16,
    "roi_head.box.head.in_channels": 16, "roi_head.box.head.fc_out_channels": 32, "roi_head.box.head.num_classes": 2,
    "roi_head.box.sampler.num": 800, "roi_head.box.sampler.pos_fraction": 0.5, "roi_head.box.test.score_thr": 0.0,
}  # fmt: skip


def overrides(folder) -> list:
    """The --set arguments, with the pictures in `folder`."""
    root, annotations = make_dataset(folder)
    normalize = dict(type="Normalize", mean=[128.0] * 3, std=[60.0] * 3)
    settings = {f"model.{key}": value for key, value in MODEL.items()}
    layer = dict(descriptor_channels=8, semantic_channels=8, hidden_channels=16, max_area=16)
    settings.update({f"+model.roi_head.box.extractor.roi_layer.{key}": value for key, value in layer.items()})
    for split in SPLITS:
        settings[f"dataset.{split}.root"], settings[f"dataset.{split}.anno_file"] = root, annotations
        settings[f"dataset.{split}.transforms"] = [dict(type="Resize", min_size=32, max_size=48), normalize]
        settings[f"dataset.{split}.batch_size"] = 2 if split == "train" else 1
    settings.update(
        {"optimizer.type": "SGD", "optimizer.lr": 0.003, "+optimizer.momentum": 0.9, "scheduler.warmup_iters": 2,
         "scheduler.milestones": [4], "max_epoch": 5, "checkpoint_interval": 1, "log_interval": 1}
    )  # fmt: skip
    return [f"{key}={value!r}" if not isinstance(value, str) else f"{key}={value}" for key, value in settings.items()]


def mpirun() -> list:
    """The command that starts two processes, or None where there is none."""
    if shutil.which("mpirun") is None or shutil.which("mpicc") is None:
        return None
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "-np", "2"]


def table(root, settings, launcher=()) -> list:
    """The command of the table, its runs in `root`."""
    changes = [part for setting in settings for part in ("--set", setting)]
    return [*launcher, sys.executable, "-m", "jsra", "table", "3", "--preset", "mini", "--rows", *ROWS,
            "--root", str(root), *changes]  # fmt: skip


def start(command, **environment):
    """Start a command; `finish` gives its output."""
    give_signals_back()
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(process, seconds=300) -> tuple:
    """(exit code, stdout, stderr); a process that does not end in time is killed with all its children: exit code None."""
    try:
        out, err = process.communicate(timeout=seconds)
        return process.returncode, out, err
    except subprocess.TimeoutExpired:
        for pid in [process.pid, *members(process)]:
            send(pid, signal.SIGKILL)
        out, err = process.communicate()
        return None, out, err


def members(process) -> list:
    """The processes that work for `process`, itself left out: its children, and theirs."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                state, parent = f.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents[int(pid)] = int(parent)
    found = [process.pid]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def alive(pids) -> list:
    """Those of the processes that have not ended."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(pid)
        except OSError:
            pass
    return found


def ranks(process) -> list:
    """The process ids of the ranks under mpirun, in their order; of a command alone its own."""
    found = {}
    for pid in members(process):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                environment = dict(pair.split(b"=", 1) for pair in f.read().split(b"\0") if b"=" in pair)
            with open(f"/proc/{pid}/stat") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == process.pid and b"OMPI_COMM_WORLD_RANK" in environment:
            found[int(environment[b"OMPI_COMM_WORLD_RANK"])] = pid
    return [found[rank] for rank in sorted(found)] or [process.pid]


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def folder(root, row) -> str:
    """Where the run of a row lies."""
    return os.path.join(str(root), ROWS[row], "seed0")


def records(root, row) -> dict:
    """The log of a row, {'run', 'train', 'val'}; empty if there is none yet."""
    try:
        return log.read(folder(root, row))
    except FileNotFoundError:
        return {"run": [], "train": [], "val": []}


def phase(root) -> tuple:
    """(number of rows that are finished, iteration of the row under way, whether it is being evaluated)."""
    done = [os.path.isfile(os.path.join(folder(root, row), "result.json")) for row in ROWS]
    if all(done):
        return len(ROWS), 0, False
    row = list(ROWS)[done.index(False)]
    found, saved = records(root, row), checkpoint.latest(folder(root, row))
    iteration = found["train"][-1]["iteration"] if found["train"] else 0
    return sum(done), iteration, saved is not None and saved.endswith(f"{ITERATIONS:08d}") and not found["val"]


def wait_for(process, condition, seconds=240) -> bool:
    """Whether the condition came about before the process ended."""
    end = time.time() + seconds
    while process.poll() is None and time.time() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def results(root) -> dict:
    """{row: (losses of every iteration, AP numbers of result.json)}."""
    found = {}
    for row in ROWS:
        with open(os.path.join(folder(root, row), "result.json"), encoding="utf8") as f:
            measured = json.load(f)["measured"]
        found[row] = [record["loss"] for record in records(root, row)["train"]], measured
    return found
