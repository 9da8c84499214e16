"""Compare jsra with a real JDet: the same configs, the same runs, the same weights, and SRA in JDet's own detectors.

    python -m tests.integrations.jdet_check PATH_TO_JDET [--data COCO] [--venv FOLDER] [--work FOLDER] [--only NAME]
        [--write PAGE]

PATH_TO_JDET: a clone of github.com/Jittor/JDet, which is not changed. Makes a virtual environment with all that JDet needs
(.venv-jdet, kept) and computes on the CPU. --data: a folder in COCO's layout (train2017, val2017, annotations; default:
../shared/data/coco_mini next to this checkout). The first run compiles for 20 to 60 minutes, later ones take 10.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys

from jsra.integrations import JDET_NEEDS
from tests.page import write_section

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LEAF = os.path.join("jdet_configs", "faster_rcnn_r50_fpn_sra_1x_coco.py")
TOLERANCE = 1e-4
IMAGES, BATCH, EPOCHS, CATEGORY = 20, 2, 2, "person"

# What differs from the leaf: where the data lies, its size, and one class of 80, so that a network of 20 iterations finds
# something whose AP is not zero. No weights to begin with.
SMALL = """_base_ = {leaf!r}
_resize = dict(type="Resize", min_size=160, max_size=256)
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_pad = dict(type="Pad", size_divisor=32)
_test = dict(
    root={val!r}, anno_file={val_annotations!r}, classes=[{category!r}], transforms=[_resize, _normalize, _pad],
    num_workers=1,
)
dataset = dict(
    train=dict(
        root={train!r}, anno_file={train_annotations!r}, classes=[{category!r}], batch_size={batch}, num_workers=1,
        transforms=[_resize, dict(type="RandomFlip", prob=0.5), _normalize, _pad],
    ),
    val=_test,
    test=_test,
)
model = dict(roi_head=dict(box=dict(head=dict(num_classes=1), test=dict(score_thr=0.0))))
pretrained_weights = {weights!r}
max_epoch = {epochs}
eval_interval = {epochs}
log_interval = 1
seed = 7
work_dir = {work_dir!r}
del _resize, _normalize, _pad, _test
"""


class Failed(Exception):
    """A check that did not hold; the message says what was found."""


class Bench:
    """Where everything is, and how to run it."""

    def __init__(self, jdet, data, venv, work):
        self.jdet, self.data, self.venv, self.work = map(os.path.abspath, (jdet, data, venv, work))
        self.python = os.path.join(self.venv, "bin", "python")

    def prepare(self):
        """The environment, and an empty folder for the runs."""
        if not os.path.isfile(os.path.join(self.venv, ".ready")):
            subprocess.run([sys.executable, "-m", "venv", self.venv], check=True)
            for wanted in (["setuptools", "wheel"], ["-e", ROOT, *JDET_NEEDS]):
                subprocess.run([self.python, "-m", "pip", "install", "--quiet", *wanted], check=True)
            open(os.path.join(self.venv, ".ready"), "w").close()
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)

    def run(self, name, *command) -> str:
        """What a Python command printed; Failed with the end of it if it failed."""
        path = os.path.join(self.work, name + ".log")
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT, os.path.join(self.jdet, "python")]))
        with open(path, "w", encoding="utf8") as log:
            done = subprocess.run([self.python, *command], stdout=log, stderr=log, cwd=self.work, env=environment)
        with open(path, encoding="utf8", errors="replace") as log:
            text = log.read()
        if done.returncode:
            end = "\n".join(text.strip().splitlines()[-15:])
            raise Failed(f"{' '.join(command)} ended with {done.returncode} ({path}):\n{end}")
        return text

    def inside(self, name, *arguments) -> dict:
        """What a function of jdet_check_inside.py found."""
        out = os.path.join(self.work, name + ".json")
        self.run(name, os.path.join(HERE, "jdet_check_inside.py"), name, out, *arguments)
        with open(out, encoding="utf8") as file:
            return json.load(file)

    def run_net(self, name, config, task):
        script = os.path.join(self.jdet, "tools", "run_net.py")
        return self.run(
            name, "-m", "jsra.integrations.jdet", script, "--config-file", config, "--task", task, "--no_cuda"
        )

    def config(self, name, work_dir, weights=None):
        """Write the small config that leads to the unchanged leaf."""
        path = os.path.join(self.work, name + ".py")
        values = dict(leaf=os.path.join(ROOT, LEAF), category=CATEGORY, batch=BATCH, epochs=EPOCHS)
        values.update(weights=weights, work_dir=os.path.join(self.work, work_dir))
        for split in ("train", "val"):
            values[split] = os.path.join(self.data, f"{split}2017")
            values[f"{split}_annotations"] = os.path.join(self.work, f"{split}.json")
        with open(path, "w", encoding="utf8") as file:
            file.write(SMALL.format(**values))
        return path

    def copy(self, folder, new, *without):
        """Copy the folder of a run, without some names in it."""
        target = os.path.join(self.work, new)
        shutil.copytree(os.path.join(self.work, folder), target, ignore=shutil.ignore_patterns(*without))

    def few_images(self):
        """Annotation files of the first images that show an object of the category."""
        for split in ("train", "val"):
            with open(os.path.join(self.data, "annotations", f"instances_{split}2017.json"), encoding="utf8") as file:
                content = json.load(file)
            wanted = next(c["id"] for c in content["categories"] if c["name"] == CATEGORY)
            objects = [a for a in content["annotations"] if a["category_id"] == wanted and not a.get("iscrowd")]
            shown = {a["image_id"] for a in objects if a["area"] > 400}
            content["images"] = [image for image in content["images"] if image["id"] in shown][:IMAGES]
            kept = {image["id"] for image in content["images"]}
            content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
            with open(os.path.join(self.work, f"{split}.json"), "w", encoding="utf8") as file:
                json.dump(content, file)


def configs(bench) -> list:
    """Both loaders, every file."""
    lines = []
    places = {"jdet_configs": os.path.join(ROOT, "jdet_configs")}
    places.update(
        {f"JDet's {p}": os.path.join(bench.jdet, p) for p in (os.path.join("tests", "test_config"), "configs")}
    )
    for name, found in bench.inside("configs", json.dumps(places)).items():
        if found["differ"]:
            raise Failed(
                f"{name}: {len(found['differ'])} files give another dictionary: {', '.join(found['differ'][:5])}"
            )
        refused = f"; refused by both: {', '.join(found['refused'])}" if found["refused"] else ""
        lines.append(f"{name}: {found['same']} files give the same dictionary in both loaders{refused}")
    return lines


def same_run(bench) -> list:
    """20 iterations and an evaluation, by JDet's run_net.py and by `jsra train`; half of them again, resumed by both."""
    bench.few_images()
    small = bench.config("small", "by_jdet")
    bench.run_net("jdet_train", small, "train")
    bench.run_net("jdet_val", small, "val")
    bench.run("jsra_train", "-m", "jsra", "train", small, "--work-dir", os.path.join(bench.work, "by_jsra"))
    total, half = IMAGES * EPOCHS // BATCH, IMAGES // BATCH
    bench.copy("by_jdet", "by_jdet_resumed", f"ckpt_{EPOCHS}.pkl", "textlog")
    bench.copy("by_jsra", "by_jsra_resumed", f"iter_{total:08d}", "log.jsonl")
    bench.run_net("jdet_resume", bench.config("small_resumed", "by_jdet_resumed"), "train")
    resumed = os.path.join(bench.work, "by_jsra_resumed")
    bench.run("jsra_resume", "-m", "jsra", "train", small, "--work-dir", resumed, "--resume")
    theirs, ours = jdet_losses(bench, "by_jdet"), jsra_records(bench, "by_jsra", "train")
    worst = largest_difference(theirs, ours, range(1, total))
    resumed = jdet_losses(bench, "by_jdet_resumed"), jsra_records(bench, "by_jsra_resumed", "train")
    worst_resumed = largest_difference(*resumed, range(half, total))
    metrics = jsra_records(bench, "by_jsra", "val")[total - 1]
    first, last = theirs[1]["total_loss"], theirs[total - 1]["total_loss"]
    return [
        f"run_net.py --task train, {total} iterations: each loss is that of `jsra train`, largest difference {worst:.1g} "
        f"(total {first:.4f} in iteration 2, {last:.4f} in {total})",
        f"run_net.py, resumed after iteration {half}: those of `jsra train --resume`, largest difference {worst_resumed:.1g}",
        *same_detections(bench, "run_net.py --task val", "by_jdet", metrics),
    ]


def largest_difference(theirs, ours, iterations) -> float:
    """Of the four losses, over `iterations`, which both logs must hold (JDet never logs the first)."""
    if sorted(theirs) != list(iterations) or not set(iterations) <= set(ours):
        raise Failed(f"run_net.py logged the iterations {sorted(theirs)}, jsra {sorted(ours)}")
    names = ("loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_box")
    worst = max(abs(theirs[i][name] - ours[i][name]) for i in iterations for name in names)
    if worst > TOLERANCE:
        raise Failed(f"the losses of run_net.py and of jsra differ by up to {worst:.2g}")
    return worst


def jdet_losses(bench, folder) -> dict:
    """{iteration from 0: {name: value}} of JDet's text logs."""
    found = {}
    folder = os.path.join(bench.work, folder, "textlog")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf8") as file:
            for line in file:
                values = dict(re.findall(r"([a-z_A-Z0-9]+):([-+.e0-9]+)(?:,|$)", line))
                if "total_loss" in values:
                    found[int(values["iter"])] = {key: float(value) for key, value in values.items()}
    return found


def jsra_records(bench, folder, kind) -> dict:
    """{iteration from 0: record} of a log of `jsra train`."""
    with open(os.path.join(bench.work, folder, "log.jsonl"), encoding="utf8") as file:
        records = [json.loads(line) for line in file]
    return {r["iteration"] - 1: r for r in records if r["kind"] == kind}


def same_detections(bench, what, folder, metrics) -> list:
    """Compare the detections in `folder` and their AP with those of the run by jsra."""
    theirs, ours = (read_detections(os.path.join(bench.work, f, "detections")) for f in (folder, "by_jsra"))
    if len(theirs) != len(ours) or not ours:
        raise Failed(f"{what}: {len(theirs)} detections, `jsra train` {len(ours)}")
    score = box = 0.0
    for a, b in zip(theirs, ours):
        if (a["image_id"], a["category_id"]) != (b["image_id"], b["category_id"]):
            raise Failed(f"{what}: detections in another order: {a} and {b}")
        score = max(score, abs(a["score"] - b["score"]))
        box = max(box, *(abs(x - y) for x, y in zip(a["bbox"], b["bbox"])))
    if score > TOLERANCE or box > 0.01:
        raise Failed(f"{what}: scores differ by up to {score:.2g}, boxes by {box:.2g} pixels")
    found = bench.inside("ap", os.path.join(bench.work, folder, "detections"), os.path.join(bench.work, "val.json"))
    if abs(found["AP"] - metrics["bbox_mAP"]) > TOLERANCE:
        raise Failed(f"{what}: AP {found['AP']:.6f}, `jsra train` {metrics['bbox_mAP']:.6f}")
    return [
        f"{what}: AP {found['AP']:.6f}, by `jsra train` {metrics['bbox_mAP']:.6f}; {len(ours)} detections, largest "
        f"difference of a score {score:.1g}, of a box {box:.1g} pixels"
    ]


def read_detections(folder):
    paths = [os.path.join(folder, name) for name in os.listdir(folder) if not name.endswith(".ids.json")]
    with open(max(paths, key=os.path.getmtime), encoding="utf8") as file:
        return json.load(file)


def convert(bench) -> list:
    """Weights of the run by JDet in jsra, and of the run by jsra in JDet."""
    small = os.path.join(bench.work, "small.py")
    metrics = jsra_records(bench, "by_jsra", "val")[IMAGES * EPOCHS // BATCH - 1]
    checkpoint = os.path.join(bench.work, "by_jdet", "checkpoints", f"ckpt_{EPOCHS}.pkl")
    weights = os.path.join(bench.work, "of_jdet.safetensors")
    bench.run("convert_to", "-m", "jsra", "convert", checkpoint, weights, "--config", small)
    bench.run("test", "-m", "jsra", "test", small, weights, "--out", os.path.join(bench.work, "jsra_test"))
    lines = same_detections(bench, "ckpt_2.pkl by `jsra convert` in `jsra test`", "jsra_test", metrics)
    back = os.path.join(bench.work, "of_jsra.pkl")
    bench.run("convert_back", "-m", "jsra", "convert", os.path.join(bench.work, "by_jsra"), back)
    bench.run_net("val_back", bench.config("small_back", "jdet_back", weights=back), "val")
    return lines + same_detections(bench, "jsra's checkpoint as .pkl in run_net.py --task val", "jdet_back", metrics)


def drop_in(bench) -> list:
    """Semantic RoI Align in JDet's FasterRCNNOBB, and what becomes of OrientedRCNN."""
    return bench.inside("drop_in", os.path.join(bench.jdet, "configs"))["lines"]


CHECKS = {"configs": configs, "same_run": same_run, "convert": convert, "drop_in": drop_in}


def commit(folder) -> str:
    done = subprocess.run(["git", "-C", folder, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jdet", metavar="PATH_TO_JDET")
    parser.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data", "coco_mini"))
    parser.add_argument("--venv", default=os.path.join(ROOT, ".venv-jdet"))
    parser.add_argument("--work", default=os.path.join(ROOT, "work_dirs", "jdet_check"))
    parser.add_argument("--only", choices=CHECKS, action="append", help="convert needs the runs of same_run")
    parser.add_argument("--write", metavar="PAGE", help="put the report into this Markdown page")
    args = parser.parse_args()
    if not os.path.isfile(os.path.join(args.jdet, "tools", "run_net.py")):
        parser.error(f"{args.jdet} is no clone of JDet: it has no tools/run_net.py")
    if not os.path.isdir(os.path.join(args.data, "annotations")):
        parser.error(f"{args.data} has no annotations/: name a folder in COCO's layout by --data")
    bench = Bench(args.jdet, args.data, args.venv, args.work)
    bench.prepare()
    lines = [f"jsra {commit(ROOT)} with JDet {commit(bench.jdet)}, {datetime.date.today()}"]
    print(lines[0], flush=True)
    failed = False
    for name in args.only or CHECKS:
        try:
            found = [f"  {line}" for line in CHECKS[name](bench)]
            found.insert(0, f"{name}: ok")
        except Failed as problem:
            found, failed = [f"{name}: FAILED: {problem}"], True
        print("\n".join(found), flush=True)
        lines += found
    if args.write and not failed:
        write_section(args.write, "jdet_check", "```\n" + "\n".join(lines) + "\n```")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
