"""Make tests/data/resize_opencv.npz: results of OpenCV's bilinear and nearest resizing. Needs opencv-python-headless.

python tests/data/make_resize_opencv.py
"""

import os

import cv2
import numpy as np

CASES = (
    ((37, 53), (91, 20)),
    ((37, 53), (17, 110)),
    ((48, 64), (96, 72)),
    ((60, 40), (20, 30)),
    ((5, 3), (1, 1)),
    ((1, 7), (9, 4)),
)


def main():
    rng = np.random.default_rng(0)
    out = {}
    for i, ((height, width), (new_width, new_height)) in enumerate(CASES):
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image[: height // 2] = cv2.GaussianBlur(image, (5, 5), 0)[: height // 2]
        out[f"image{i}"] = image
        out[f"linear{i}"] = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
        out[f"nearest{i}"] = cv2.resize(image[..., 0], (new_width, new_height), interpolation=cv2.INTER_NEAREST)
    path = os.path.join(os.path.dirname(__file__), "resize_opencv.npz")
    np.savez_compressed(path, **out)
    print(f"OpenCV {cv2.__version__}: {len(CASES)} cases, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
