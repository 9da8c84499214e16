"""What the masks of SRA are before any training, on boxes as proposals are: the ground of its initial weights.

    python tools/initial_masks.py [--position 4] [--logits 4] [--config jdet_configs/mini/puppets_r18_fpn_sra.py]

Prints four numbers for SemanticRoIAlign.POSITION and .LOGITS of these values; docs/mini.md says what they mean.
"""

import argparse

import numpy as np

from jsra.config import load_config
from jsra.paper.diversity import effective_positions
from jsra.paper.features import Objects, extractor_of, roi_inputs
from jsra.registry import build
from jsra.roi.sra import SemanticRoIAlign

COPIES, SHIFT = 12, 0.1  # of each box, each side moved by this part of the box


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="jdet_configs/mini/puppets_r18_fpn_sra.py")
    parser.add_argument("--position", type=float, default=SemanticRoIAlign.POSITION)
    parser.add_argument("--logits", type=float, default=SemanticRoIAlign.LOGITS)
    parser.add_argument("--pictures", type=int, default=8)
    args = parser.parse_args()
    SemanticRoIAlign.POSITION, SemanticRoIAlign.LOGITS = args.position, args.logits
    import jittor as jt  # after jsra, which prepares it

    jt.set_global_seed(0)
    config = load_config(args.config)
    model = build(config["model"], "model")
    model.train()
    layer, logits, sampled, packing = start(model, *inputs(Objects(config, "train", args.pictures)))
    print(f"{packing.count} RoIs, POSITION {args.position:g}, LOGITS {args.logits:g}")
    for what, value in measure(logits * layer.gamma, sampled, packing).items():
        print(f"{value:7.3f}  {what}")


def inputs(objects):
    """Pixels [B, 3, H, W] of the pictures, and the shifted copies of the boxes of each."""
    rng, pixels, boxes = np.random.default_rng(0), [], []
    for image, found, _ in objects:
        sides = np.tile(found[:, 2:] - found[:, :2], 2)
        pixels.append(objects.after(image))
        boxes.append(np.concatenate([found + SHIFT * rng.standard_normal(found.shape) * sides for _ in range(COPIES)]))
    return np.concatenate(pixels), boxes


def start(model, pixels, boxes):
    """The layer, its logits [T, N] and sampled positions [T, C], and their packing."""
    import jittor as jt

    layer = extractor_of(model).roi_layer
    with jt.no_grad():
        sampled, packing = layer.sample(*roi_inputs(model, pixels, boxes))
        return layer, layer.logits(sampled, packing).numpy(), sampled.numpy(), packing


def measure(logits, sampled, packing):
    by_grid, within, covered, ratio = {}, [], [], []
    offsets = packing.offsets.numpy()
    for k, grid in enumerate(packing.grids.numpy()):
        part = slice(offsets[k], offsets[k + 1])
        own = logits[part] - logits[part].mean(axis=0)
        masks = np.exp(own - own.max(axis=0))
        masks /= masks.sum(axis=0)
        within.append(own.var())
        covered.append(effective_positions(masks.T) / len(own))
        ratio.append((masks.T @ sampled[part]).var(axis=0).mean() / sampled[part].var(axis=0).mean())
        by_grid.setdefault(tuple(grid), []).append(own)
    alike = [np.stack(found) for found in by_grid.values() if len(found) >= 8]  # fewer leave a mean of their content
    explained = np.average([a.mean(axis=0).var() / a.var() for a in alike], weights=[len(a) for a in alike])
    return {
        "deviation of gamma x logits within an RoI": np.sqrt(np.mean(within)),
        "part of the masks' variance that the position explains": explained,
        "share of an RoI's positions that a mask covers": np.mean(covered),
        "variance of the N features by that of the positions": np.mean(ratio),
    }


if __name__ == "__main__":
    main()
