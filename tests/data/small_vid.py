"""A small dataset on disk in ImageNet VID's layout: two videos, and a still image of DET."""

import os

import numpy as np
from PIL import Image

SIZE = (40, 30)  # width, height


def vid_object(name, box, track=0):
    corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box))
    return f"<object><trackid>{track}</trackid><name>{name}</name><bndbox>{corners}</bndbox><occluded>0</occluded></object>"


def write_frame(root, place, objects, size=SIZE, value=0):
    """A picture of one grey and its annotation; place: below Data and Annotations, without an ending."""
    for part in ("Data", "Annotations"):
        os.makedirs(os.path.dirname(os.path.join(root, part, place)), exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, np.uint8)).save(os.path.join(root, "Data", f"{place}.JPEG"))
    with open(os.path.join(root, "Annotations", f"{place}.xml"), "w") as f:
        size = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f.write(f"<annotation>{size}{''.join(objects)}</annotation>")


def write_set(root, name, lines):
    path = os.path.join(root, "ImageSets", f"{name}.txt")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.writelines(f"{line}\n" for line in lines)


def write_vid(root):
    """A video of 20 frames in which a dog moves 1 pixel a frame and whose track ends after 12, one of 3 frames; a still fox.

    Frame i of the first has the grey 10 * i.
    """
    for i in range(20):
        dogs = [vid_object("n02084071", (i, 5, i + 12, 17), 3)] if i < 12 else []
        write_frame(root, f"VID/train/a/{i:06d}", dogs, value=10 * i)
    for i in range(3):
        write_frame(root, f"VID/train/b/{i:06d}", [vid_object("n02118333", (2, 3, 30, 20), 0)], value=100 + i)
    write_frame(root, "DET/train/c/fox", [vid_object("n02118333", (2, 3, 30, 20))], value=200)
    write_set(root, "VID/train_videos", ["a", "train/b"])
    write_set(root, "VID/frames", ["train/a 1 4 20", "train/a 1 11 20", "train/b 1 1 3"])
    write_set(root, "DET/foxes", ["train/c/fox 1"])
    return root
