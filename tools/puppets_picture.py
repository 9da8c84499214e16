"""Make docs/images/puppets.jpg: pictures of the ordinary split, and one scene of the fixed world with its transformations.

python tools/puppets_picture.py
"""

import os

import numpy as np
from PIL import Image, ImageDraw

import jsra  # noqa: F401
from jsra.data.puppets.render import render
from jsra.data.puppets.scene import make_scene
from jsra.visualize.detections import font

SIZE, GAP = 224, 6
ORDINARY = (0, 3, 9, 16, 12, 20)
FIXED = ("test_fixed", "test_rotation", "test_reflection", "test_perspective", "test_pose", "test_scale")
FIXED_SCENE = 2


def main():
    rows = [
        [("train", render(make_scene("train", i, 0, SIZE))[0]) for i in ORDINARY],
        [(split, render(make_scene(split, FIXED_SCENE, 0, SIZE))[0]) for split in FIXED],
    ]
    step = SIZE + GAP
    sheet = Image.new("RGB", (len(FIXED) * step - GAP, 2 * (step + 18) - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for y, row in enumerate(rows):
        for x, (name, pixels) in enumerate(row):
            draw.text((x * step + 2, y * (step + 18)), name, fill=(60, 60, 60), font=font(14))
            sheet.paste(Image.fromarray(np.asarray(pixels)), (x * step, y * (step + 18) + 18))
    path = os.path.join(os.path.dirname(__file__), "..", "docs", "images", "puppets.jpg")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    sheet.save(path, quality=88)
    print(f"{os.path.normpath(path)}: {sheet.size}, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
