"""Clips of moving puppets in ImageNet VID's layout (jsra.data.vid_devkit): `jsra data puppets DIR --video`.

Figures move, rotate, come nearer and swing their limbs. Some are fast, with motion blur; bars in front hide them for some
frames; and some leave the image, which ends their tracks. Annotations are boxes of the visible parts, with track ids.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree

import numpy as np
from PIL import Image
from tqdm import tqdm

from jsra.data.puppets.figures import random_pose
from jsra.data.puppets.generate import annotation, begin, draw_all, read_stamp
from jsra.data.puppets.render import render
from jsra.data.puppets.scene import CLASSES, Figure, Scene, still_life
from jsra.output import write_json
from jsra.registry import ConfigError

VERSION = 1  # of the images: folders of another version are drawn again
SPLITS = ("train", "val")
EXPOSURE = (0.0, 0.2, 0.4)  # a frame is the mean of the images at these times (unit: frames)


def generate_clips(folder, train=60, test=20, frames=12, size=160, seed=0, workers=None, force=False, progress=True):
    """Draw the dataset into `folder` and return it; a folder that already contains the same dataset is not changed.

    train, test: number of clips of each split. frames: per clip. size: width and height in pixels. workers: see generate.
    """
    if min(train, test, frames) < 1 or size < 64:
        raise ConfigError(
            f"puppets: need 1 clip per split, 1 frame and 64 pixels, got train={train}, test={test}, frames={frames}, "
            f"size={size}"
        )
    recipe = {"version": VERSION, "train": train, "test": test, "frames": frames, "size": size, "seed": seed}
    stamp = os.path.join(folder, "puppets_video.json")
    if not force and read_stamp(stamp) == recipe:
        return folder
    places = [os.path.join(part, "VID", split) for part in ("Data", "Annotations") for split in SPLITS]
    begin(stamp, [*places, *(os.path.join("ImageSets", "VID", f"{split}_videos.txt") for split in SPLITS)], force)
    counts = dict(zip(SPLITS, (train, test)))
    tasks = [(folder, split, i, seed, size, frames) for split in SPLITS for i in range(counts[split])]
    for _ in tqdm(draw_all(draw_clip, tasks, workers), "puppets", len(tasks), disable=not progress or None):
        pass
    os.makedirs(os.path.join(folder, "ImageSets", "VID"), exist_ok=True)
    for split in SPLITS:
        with open(os.path.join(folder, "ImageSets", "VID", f"{split}_videos.txt"), "w", encoding="utf8") as f:
            f.writelines(f"{split}/{clip_name(i)}\n" for i in range(counts[split]))
    write_json(stamp, recipe, indent=None)  # written last: its existence shows that the dataset is complete
    return folder


def clip_name(index) -> str:
    return f"clip_{index + 1:06d}"


def draw_clip(folder, split, index, seed, size, frames):
    """Draw and save one clip."""
    clip = Clip(np.random.default_rng([seed, SPLITS.index(split), index, 7]), size, frames)
    places = [os.path.join(folder, part, "VID", split, clip_name(index)) for part in ("Data", "Annotations")]
    for place in places:
        os.makedirs(place, exist_ok=True)
        for name in os.listdir(place):  # frames of an earlier, longer clip would be a part of this one
            if name.endswith((".JPEG", ".xml")):
                os.remove(os.path.join(place, name))
    for number in range(frames):
        pixels, objects = clip.frame(number)
        Image.fromarray(pixels).save(os.path.join(places[0], f"{number:06d}.JPEG"), quality=90)
        _write_xml(os.path.join(places[1], f"{number:06d}.xml"), clip_name(index), number, size, objects)


class Clip:
    """frame(number) -> (uint8 [size, size, 3], [{track, name, bbox xywh, occluded}])."""

    def __init__(self, rng, size, frames):
        self.size = size
        self.frames = frames
        self.movers = [Mover(rng, size, frames) for _ in range(int(rng.integers(1, 4)))]
        self.still = still_life(rng, size)
        self.noise = int(rng.integers(2**31))

    def _scene(self, time):
        figures = [mover.figure(time) for mover in self.movers]
        return Scene((self.size, self.size), figures, *self.still, hard=False)

    def frame(self, number):
        scenes = [self._scene(number + moment) for moment in EXPOSURE]
        drawn = [render(scene) for scene in scenes]
        pixels = np.mean([picture for picture, _ in drawn], axis=0)
        pixels += np.random.default_rng([self.noise, number]).normal(0, 3, pixels.shape)
        middle = len(EXPOSURE) // 2
        objects = []
        for track, figure in enumerate(scenes[middle].figures):
            found = annotation(figure, track, drawn[middle][1])
            if found is not None and not found["iscrowd"]:
                occluded = int(found["visible"] < 0.8)
                objects.append({"track": track, "name": figure.name, "bbox": found["bbox"], "occluded": occluded})
        return pixels.round().clip(0, 255).astype(np.uint8), objects


class Mover:
    """A moving figure: figure(time) is the Figure at a time in frames."""

    def __init__(self, rng, size, frames):
        self.name = CLASSES[int(rng.integers(len(CLASSES)))]
        self.style = int(rng.integers(2**31))
        self.scale = float(np.exp(rng.uniform(np.log(0.22), np.log(0.5)))) * size
        # Speed in own lengths per frame: from very slow to more than the width of its box.
        speed = self.scale * float(np.exp(rng.uniform(np.log(0.004), np.log(0.25))))
        heading, middle = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.75, 2) * size
        self.velocity = speed * np.array([np.cos(heading), np.sin(heading)])
        # In the middle of the clip it is near the centre of the image; at the beginning and end it may be outside.
        self.start = middle - self.velocity * rng.uniform(0.2, 0.8) * frames
        self.growth = float(rng.normal(0, 0.01))
        self.angle, self.spin = float(rng.normal(0, 12)), float(rng.normal(0, 3))
        self.mirrored = bool(self.velocity[0] < 0)
        self.tilt, self.turn = rng.uniform(-25, 25, 2), rng.normal(0, 1.5, 2)
        self.poses = random_pose(self.name, rng), random_pose(self.name, rng)
        self.stride, self.phase = float(rng.uniform(0.05, 0.35)), float(rng.uniform(0, 2 * np.pi))

    def figure(self, time) -> Figure:
        share = 0.5 + 0.5 * np.sin(self.phase + self.stride * time)
        first, second = self.poses
        pose = {part: (1 - share) * first[part] + share * second[part] for part in first}
        tilt = [float(v) for v in (self.tilt + self.turn * time).clip(-50, 50)]
        scale = self.scale * float(np.exp(self.growth * time))
        place = self.start + self.velocity * time
        return Figure(self.name, place, scale, self.angle + self.spin * time, self.mirrored, tilt, pose, self.style)


def _write_xml(path, clip, number, size, objects):
    root = ElementTree.Element("annotation")
    _fill(root, {"folder": clip, "filename": f"{number:06d}", "size": {"width": size, "height": size}})
    for item in objects:
        x, y, w, h = item["bbox"]
        _fill(root, {"object": {
            "trackid": item["track"], "name": item["name"],
            "bndbox": {"xmax": x + w, "xmin": x, "ymax": y + h, "ymin": y},
            "occluded": item["occluded"], "generated": 0,
        }})  # fmt: skip
    ElementTree.ElementTree(root).write(path, encoding="unicode")


def _fill(node, content):
    for name, value in content.items():
        child = ElementTree.SubElement(node, name)
        if isinstance(value, dict):
            _fill(child, value)
        else:
            child.text = value if isinstance(value, str) else f"{value:g}"
