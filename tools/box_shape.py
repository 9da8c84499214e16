"""Whether a trained model tells the class of an object from the shape of its box: see 'Perspective' in docs/mini.md.

    python tools/box_shape.py CONFIG WORK_DIR...

Classes are asked for at the annotated boxes; a class's usual shape is the median of log2(width / height) over its boxes in
dataset.train. Prints for the pictures of dataset.test_fixed and dataset.test_perspective, mean and deviation over WORK_DIRs:
    right           the boxes that get their class, in percent
    errors to shape of the wrong answers, those whose usual shape is nearer to the box's than the right class's is, in percent
and, for Semantic RoI Align with a dynamic grid, what becomes of it where the box is sampled on another grid:
    own class       'right', on the grid of the class's usual shape
    other class     'right', on the grid of another class's usual shape, each in turn
    answers follow  there, the boxes that get the class of the grid, in percent
"""

import argparse

import numpy as np

from jsra.config import load_config
from jsra.inference import load_model
from jsra.ops.dynamic_sampler import make_packing
from jsra.paper.features import Objects, extractor_of, roi_features, roi_inputs

SPLITS = ("test_fixed", "test_perspective")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("work_dirs", nargs="+")
    args = parser.parse_args()
    config = load_config(args.config)
    usual = usual_shapes(config)
    print(args.config, "usual log2(width / height):", " ".join(f"{v:.2f}" for v in usual))
    models = [load_model(config, folder) for folder in args.work_dirs]
    for split in SPLITS:
        found = [measure(model, Objects(config, split), usual) for model in models]
        for what in found[0]:
            values = [f[what] for f in found if not np.isnan(f[what])]  # no errors, no share of them
            if values:
                print(f"{split:18}{what:18}{np.mean(values):6.1f} +-{np.std(values, ddof=min(1, len(values) - 1)):.1f}")


def shape(boxes):
    return np.log2((boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1]))


def usual_shapes(config):
    """[C], the usual shape of labels 1 to C."""
    dataset = Objects(config, "train").dataset
    shapes = np.concatenate([shape(r.boxes) for r in dataset.records])
    labels = np.concatenate([r.labels for r in dataset.records])
    return np.array([np.median(shapes[labels == label]) for label in range(1, len(dataset.CLASSES) + 1)])


def measure(model, objects, usual):
    dynamic = getattr(getattr(extractor_of(model), "roi_layer", None), "grid", False) is None
    found = {"right": [], "errors to shape": []}
    if dynamic:
        found.update({"own class": [], "other class": [], "answers follow": []})
    for index in range(len(objects.dataset)):
        image, target = objects.dataset.get(index)
        pixels, boxes, truth = objects.after(image), target["bboxes"], target["labels"] - 1
        answers = classes(model, roi_features(model, pixels, boxes))
        wrong, away = answers != truth, np.abs(shape(boxes) - usual[:, None])  # [C, K]
        found["right"].extend(~wrong)
        columns = np.arange(len(boxes))
        found["errors to shape"].extend((away[answers, columns] < away[truth, columns])[wrong])
        if dynamic:
            of = (truth + np.arange(len(usual))[:, None]) % len(usual)  # [C, K]: the own class, then each other one
            answers = classes(model, on_grids_of(model, pixels, boxes, usual[of])).reshape(of.shape)
            found["own class"].extend(answers[0] == truth)
            found["other class"].extend((answers[1:] == truth).ravel())
            found["answers follow"].extend((answers[1:] == of[1:]).ravel())
    return {what: 100 * np.mean(values) if values else np.nan for what, values in found.items()}


def classes(model, features):
    """[K], the best class of each RoI without the background: label - 1."""
    import jittor as jt

    with jt.no_grad():
        return model.roi_head.box.head(jt.array(features))[0].numpy()[:, 1:].argmax(1)


def on_grids_of(model, pixels, boxes, shapes):
    """What roi_features gives, [n * K, C, N]: boxes [K, 4] on the grids of boxes of log2(width / height) = shapes [n, K]."""
    import jittor as jt

    layer = extractor_of(model).roi_layer
    inputs = roi_inputs(model, pixels, [np.tile(boxes, (len(shapes), 1))])
    like = np.zeros((shapes.size, 5), np.float32)
    like[:, 3], like[:, 4] = 2.0 ** shapes.ravel(), 1
    with jt.no_grad():
        packing = make_packing(jt.array(like), layer.max_area, None)
        return layer.gather(*layer.sample(*inputs, packing=packing)).numpy()


if __name__ == "__main__":
    main()
