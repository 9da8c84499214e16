"""Checks that a loss is of the kind that its place in a head needs. A loss for classes has `num_outputs` and `scores`.
None, of a head that is only for inference, is of every kind."""

from __future__ import annotations


def check_classes(loss, who: str):
    """Raise ValueError unless `loss`, the loss_cls of `who`, classifies."""
    if loss is not None and not (hasattr(loss, "num_outputs") and hasattr(loss, "scores")):
        raise ValueError(f"{who}: loss_cls is {type(loss).__name__}, which is no loss for classes: use CrossEntropyLoss")


def check_dense(loss, who: str):
    """Raise ValueError unless `loss`, the loss_cls of `who`, has the method `dense` for whole maps."""
    if loss is not None and not hasattr(loss, "dense"):
        raise ValueError(f"{who}: loss_cls is {type(loss).__name__}, which cannot classify anchors of maps: use FocalLoss")


def check_binary(loss, who: str, name: str):
    """Raise ValueError if `loss` is a loss for classes, but not for separate decisions of yes or no."""
    users = not type(loss).__module__.startswith("jsra.")
    if hasattr(loss, "num_outputs") and not getattr(loss, "use_sigmoid", users):
        raise ValueError(
            f"{who}: {name} needs use_sigmoid=True, because each number is a decision of its own; it is a "
            f"{type(loss).__name__}: use CrossEntropyLoss with use_sigmoid=True"
        )


def check_numbers(loss, who: str):
    """Raise ValueError if `loss`, the loss_box of `who`, is one for classes."""
    if hasattr(loss, "num_outputs"):
        raise ValueError(f"{who}: loss_box is {type(loss).__name__}, a loss for classes: use L1Loss or SmoothL1Loss")
