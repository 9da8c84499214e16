"""Masks cut out and resized to boxes in NumPy: bitmaps of the whole image, then RoI Align."""

import numpy as np

from jsra.ops.reference.roi_align import roi_align


def whole(bitmaps, place, height, width):
    """The bitmap [height, width] of a window."""
    start, left, top, w, h = place
    out = np.zeros((height, width))
    out[top : top + h, left : left + w] = bitmaps[start : start + w * h].reshape(w, h).T
    return out


def mask_targets(bitmaps, places, boxes, index, image_size, output_size=28, sampling_ratio=0, aligned=True):
    """As jsra.ops.mask_targets."""
    height, width = image_size
    out = np.zeros((len(boxes), output_size, output_size))
    for k, (box, i) in enumerate(zip(boxes, index)):
        if 0 <= i < len(places):
            clipped = np.clip(box, 0, [width, height, width, height])
            roi = np.concatenate([[0], clipped])[None]
            image = whole(bitmaps, places[i], height, width)[None, None]
            out[k] = roi_align(image, roi, output_size, 1.0, sampling_ratio, aligned)[0, 0]
    return out
