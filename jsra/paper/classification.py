"""How a trained model classifies the annotated boxes of a dataset. This varies less over seeds than AP does.

    accuracy    percentage of objects whose class has the highest score of all classes; the background is not considered
    log_loss    mean of -log(score of the object's class), in nats; the score of the background is included in the softmax
"""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.boxes.convert import boxes_to_rois
from jsra.detectors.detector import model_input
from jsra.detectors.feature_cache import use_features
from jsra.registry import ConfigError, build

COLUMNS = ("accuracy", "log_loss")
PER_IMAGE = "per_image"


def measure(model, config, split: str = "val") -> dict:
    """{accuracy, log_loss, per_image: {image id: [objects, correctly classified, sum of the log losses]}}. Raises ConfigError
    if the split has no annotated boxes."""
    dataset = build(config["dataset"][split], f"dataset.{split}", "dataset")
    dataset.each_once()
    use_features(config, split, dataset, model, progress=False)
    images = {}
    model.eval()
    with jt.no_grad():
        for batch, targets in dataset.loader():
            boxes, labels = [t["bboxes"] for t in targets], np.concatenate([t["labels"] for t in targets])
            owners = np.repeat(np.arange(len(targets)), [len(b) for b in boxes])
            if not len(labels):
                continue
            branch = model.roi_head.box
            logits, _ = branch.forward(model.features(model_input(batch, targets)), jt.array(boxes_to_rois(boxes)))
            scores = branch.head.scores(logits).numpy()
            right = scores.argmax(1) + 1 == labels
            loss = -np.log(np.maximum(scores[np.arange(len(labels)), labels - 1], 1e-12))
            for i, target in enumerate(targets):
                own = owners == i
                if own.any():
                    images[str(target["img_id"])] = [int(own.sum()), int(right[own].sum()), float(loss[own].sum())]
    if not images:
        raise ConfigError(f"dataset.{split} has no annotated box to classify")
    objects, correct, loss = np.sum(list(images.values()), axis=0)
    return {"accuracy": 100 * correct / objects, "log_loss": loss / objects, PER_IMAGE: images}


def differences(ours: dict, theirs: dict) -> dict:
    """{column: (mean, standard error)} of the difference between the runs of two rows, ours - theirs.

    ours, theirs: {seed: per_image of `measure`} for the same seeds and images, so differences are between the same boxes and
    seeds. Images and seeds are both samples: the variance is the sum of the variance over images (of differences averaged
    over seeds) and the variance over seeds (left out for one seed). The objects of an image are one unit, not independent.
    """
    names = sorted(next(iter(ours.values())))
    first, second = (np.array([[run[seed][n] for n in names] for seed in ours], float) for run in (ours, theirs))
    objects = first[0, :, 0]
    total = objects.sum()
    found = {}
    for column, index, unit in (("accuracy", 1, 100.0), ("log_loss", 2, 1.0)):
        more = unit * (first[:, :, index] - second[:, :, index])  # [seeds, images]
        by_seed = more.sum(1) / total
        mean = by_seed.mean()
        rest = more.mean(0) - mean * objects
        variance = (rest**2).sum() / total**2 * len(names) / max(len(names) - 1, 1)
        if len(by_seed) > 1:
            variance += by_seed.var(ddof=1) / len(by_seed)
        found[column] = float(mean), float(np.sqrt(variance))
    return found
