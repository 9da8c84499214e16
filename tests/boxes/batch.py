"""Ground truths for tests of functions on batches."""

import numpy as np

from jsra.boxes.structures import Targets


def truth(*boxes, labels=None, ignored=()):
    """The GroundTruth of one image for each list of boxes; all labels are 1 if none are given."""
    images = []
    for i, rows in enumerate(boxes):
        rows = np.array(rows, np.float32).reshape(-1, 4)
        own = np.ones(len(rows), np.int32) if labels is None else np.array(labels[i], np.int32)
        crowd = np.array(ignored[i] if ignored else [], np.float32).reshape(-1, 4)
        size = dict(img_size=(100, 100), ori_img_size=(100, 100))
        images.append(dict(bboxes=rows, labels=own, bboxes_ignore=crowd, **size))
    return Targets(images, training=True).truth
