"""A small COCO and a small VOC dataset on disk, with a crowd, a difficult object, an empty image and a tiny image."""

import json
import os

import numpy as np
from PIL import Image

SIZES = {1: (40, 30), 2: (30, 40), 3: (50, 30), 4: (20, 40), 5: (60, 44)}  # image id -> (width, height)


def annotation(number, image, category, bbox, **more):
    x, y, w, h = bbox
    square = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(bbox),
        "area": w * h,
        "iscrowd": 0,
        "segmentation": square,
        **more,
    }


# The square (2, 22, 20, 15) of image 2 in COCO's uncompressed RLE: down the columns, 40 pixels each.
CROWD = {"size": [40, 30], "counts": [2 * 40 + 22] + [15, 25] * 19 + [15, 323]}
ANNOTATIONS = [
    annotation(1, 1, 20, (5, 5, 10, 10)),
    annotation(2, 1, 10, (20, 10, 15, 15)),
    annotation(3, 2, 10, (0, 0, 30, 20)),
    annotation(4, 2, 20, (2, 22, 20, 15), iscrowd=1, segmentation=CROWD),
    annotation(5, 3, 30, (10, 10, 20, 15)),
    annotation(6, 5, 30, (0, 0, 60, 44)),
]
CATEGORIES = [{"id": 20, "name": "cat"}, {"id": 10, "name": "dog"}, {"id": 30, "name": "person"}]


def write_images(folder, names, seed=0):
    rng = np.random.default_rng(seed)
    os.makedirs(folder, exist_ok=True)
    for img_id, name in names.items():
        width, height = SIZES[img_id]
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(os.path.join(folder, name))


def write_coco(folder, annotations=ANNOTATIONS, categories=CATEGORIES):
    """Returns the arguments root and anno_file of a COCODataset."""
    names = {i: f"{i:04d}.png" for i in SIZES}
    write_images(os.path.join(folder, "images"), names)
    images = [{"id": i, "file_name": names[i], "width": w, "height": h} for i, (w, h) in SIZES.items()]
    path = os.path.join(folder, "annotations.json")
    with open(path, "w") as f:
        json.dump({"images": images, "annotations": annotations, "categories": categories}, f)
    return {"root": os.path.join(folder, "images"), "anno_file": path}


def write_coco_config(folder):
    """Returns the path of a config with these data as dataset.train."""
    place = write_coco(str(folder))
    path = os.path.join(folder, "c.py")
    with open(path, "w") as f:
        f.write(f"dataset = dict(train=dict(type='COCODataset', use_anno_cats=True, **{place!r}))")
    return path


def voc_object(name, box, difficult=0):
    corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box))
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{corners}</bndbox></object>"


def write_voc(folder, objects, image_set="trainval"):
    """objects: {image id of SIZES: [voc_object]}. Returns the folder, the argument root of a VOCDataset."""
    for part in ("Annotations", "ImageSets/Main"):
        os.makedirs(os.path.join(folder, part), exist_ok=True)
    write_images(os.path.join(folder, "JPEGImages"), {i: f"{i:04d}.jpg" for i in objects})
    for i, items in objects.items():
        width, height = SIZES[i]
        size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        with open(os.path.join(folder, "Annotations", f"{i:04d}.xml"), "w") as f:
            f.write(f"<annotation><filename>{i:04d}.jpg</filename>{size}{''.join(items)}</annotation>")
    with open(os.path.join(folder, "ImageSets", "Main", f"{image_set}.txt"), "w") as f:
        f.write("".join(f"{i:04d}\n" for i in objects))
    return folder


NORMALIZE = {"type": "Normalize", "mean": [0, 0, 0], "std": [1, 1, 1]}
