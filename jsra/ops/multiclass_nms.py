"""From the class scores and boxes of proposals to detections.

Shape letters: B images; P proposals and M detections per image; C classes.
"""

from __future__ import annotations

from jsra.ops import check
from jsra.ops.kernel import run, runs_cuda_files
from jsra.ops.nms import moved_limit


def multiclass_nms(boxes, scores, count, score_thr, iou_thr, max_per_img: int):
    """For each image: (proposal, class) pairs with a score above score_thr, NMS within each class, the max_per_img best.

    Args:
        boxes: [B, P, 4], or [B, P, C, 4] with one box per class; pairs whose box is not finite are left out.
        scores: [B, P, C], without the background.
        count: int32 [B]: number of valid proposals of each image.
    Returns: (boxes [B, M, 4], scores [B, M], labels int32 [B, M], rows int32 [B, M], count int32 [B]), M = max_per_img, in
        order of decreasing score; equal scores in order of increasing row, then class. labels are 1 to C, rows are indices of
        proposals. Entries from `count` on are padding: zeros, and -1 for rows.
    NMS is that of jsra.ops.batched_nms, with its rounding. (On a GPU the classes are strictly separated for boxes with
    negative coordinates too; in torchvision, moved boxes of different classes may overlap there.)
    Raises: ValueError for wrong ranks, shapes, dtypes or thresholds.
    """
    check.var("scores", scores, rank=3, dtypes=("float32",))
    images, rows, classes = scores.shape
    check.var("boxes", boxes, last=4, dtypes=("float32",))
    if list(boxes.shape) not in ([images, rows, 4], [images, rows, classes, 4]):
        raise ValueError(
            f"boxes: expected {[images, rows, 4]} or {[images, rows, classes, 4]} for scores of shape {list(scores.shape)}, "
            f"got {list(boxes.shape)}"
        )
    if list(check.var("count", count, dtypes=("int32",)).shape) != [images]:
        raise ValueError(f"count: expected shape [{images}], got {list(count.shape)}")
    if not 0 <= iou_thr <= 1:
        raise ValueError(f"iou_thr: expected 0 to 1, got {iou_thr!r}")
    if int(max_per_img) != max_per_img or max_per_img < 1:
        raise ValueError(f"max_per_img: expected an integer of at least 1, got {max_per_img!r}")
    limit = int(max_per_img)
    kept = (images, limit)
    pairs, chosen = ((images, rows * classes), kept) if runs_cuda_files() else ((1, 1), (1, 1))
    scratch = [(pairs, "int32"), (pairs, "int32"), ((images,), "float32"), (chosen, "int32")]
    outputs = [((*kept, 4), "float32"), (kept, "float32"), (kept, "int32"), (kept, "int32"), ((images,), "int32")]
    numbers = dict(images=images, rows=rows, classes=classes, class_boxes=boxes.ndim == 4, limit=limit)
    numbers.update(moved_limit=moved_limit(), score_threshold=float(score_thr), threshold=float(iou_thr))
    return tuple(run("multiclass_nms", "forward", [boxes, scores, count], [*outputs, *scratch], **numbers)[:5])
