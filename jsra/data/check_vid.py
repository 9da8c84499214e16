"""Finds problems of a VIDDataset for `jsra data check`."""

from __future__ import annotations

import os
from collections import defaultdict

from tqdm import tqdm

from jsra.data.check_entries import check_box, check_copies, check_image
from jsra.data.coco_file import read_coco
from jsra.data.paths import data_path
from jsra.data.problems import error, warning
from jsra.data.vid import GAP, gaps, image_sets, number_problems
from jsra.data.vid_devkit import read_devkit


def check_vid(config, progress=True) -> list:
    """All problems of the videos that a config dict of type VIDDataset describes; every frame is opened."""
    root, sets = data_path(config["root"]), image_sets(config.get("image_set"), config.get("anno_file"))
    if config.get("anno_file"):
        file = read_coco(data_path(config["anno_file"]))
        images, own = file.images.values(), file.annotations
        wrong = number_problems(images, [a for listed in own.values() for a in listed])
        problems = [*file.problems, *wrong]
        if wrong:
            return problems
        cure = "add the frames, or number the others without a gap"
        problems += [warning(f"video {v}", f"its frame numbers have a gap: {GAP}", cure) for v in gaps(images)]
    else:
        content, problems = read_devkit(root, sets, config.get("classes"), True, progress)
        images, own = content["images"], defaultdict(list)
        for a in content["annotations"]:
            own[a["image_id"]].append(a)
    videos = defaultdict(list)
    for image in images:
        videos[image.get("video_id", -1)].append(image)
    for video, frames in tqdm(videos.items(), "checking", disable=not progress or None, leave=False):
        problems += _check_video(root, frames, own, video, config.get("references") is not None)
    return problems


def _check_video(root, frames, own, video, references):
    if video >= 0:
        name = os.path.dirname(frames[0]["file_name"]) or video
        sizes = {(frame["width"], frame["height"]) for frame in frames}
        if len(sizes) > 1:
            what, cure = f"its frames have several sizes: {sorted(sizes)}", "give them one size"
            yield (
                error(f"video {name}", what, cure)
                if references
                else warning(f"video {name}", what, f"fine for a detector of single frames; else {cure}")
            )
        if len(frames) == 1:
            yield warning(f"video {name}", "has only one frame, which is its own reference", "fine for a still image")
        if not any(own[frame["id"]] for frame in frames):
            yield warning(f"video {name}", "has no annotations", "fine for a background video; else annotate it")
    for frame in frames:
        where, size = f"frame {frame['file_name']}", (frame["width"], frame["height"])
        yield from check_image(os.path.join(root, "Data", frame["file_name"]), size, where)
        tracks = set()
        for a in own[frame["id"]]:
            x, y, w, h = a["bbox"]
            track = a.get("instance_id", -1)
            yield from check_box((x, y, x + w, y + h), size, f"{where}, track {track}")
            if track in tracks and track >= 0:
                yield error(where, f"two objects have the track id {track}", "give each object of a video its own")
            tracks.add(track)
        yield from check_copies([(a["category_id"], tuple(a["bbox"])) for a in own[frame["id"]]], where)
