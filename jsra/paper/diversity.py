"""How the masks of an RoI differ: figure 7 of the SRA paper, and the two divergences of Learning Region Features.

For each object, its box has masks [N, P], each a distribution over the P positions. Measured are
    similarity    cosine of each pair of masks; the figure's histogram is over pairs, each averaged over the objects
    kl_parts      mean KL divergence over all ordered pairs of masks
    kl_mask       KL of the object's annotated mask, as a distribution over the positions, from the maximum over the N masks
and their width, effective_positions: the exponential of a mask's entropy (1: a single position; P: uniform).
"""

from __future__ import annotations

import numpy as np

from jsra.output import pyplot, save_figure
from jsra.paper.features import Objects, masks_of
from jsra.registry import ConfigError
from jsra.visualize.literal import literal

THRESHOLD = 0.3  # of figure 7
EPSILON = 1e-9


def measure(model, config, split: str = "val", limit: int = 100) -> dict:
    """{share_below_percent, share_below_percent_single, mean_similarity, kl_parts, effective_positions, kl_mask, objects}.

    share_below_percent: percentage of pairs of masks whose similarity, averaged over objects, is below 0.3;
    ..._single: the same for the pairs of all objects without averaging. kl_mask is left out if the data have no masks.
    """
    found = collect(model, config, split, limit)
    pairs = found["similarity"]
    average = pairs.mean(0)
    out = {
        "share_below_percent": 100 * float((average < THRESHOLD).mean()),
        "share_below_percent_single": 100 * float((pairs < THRESHOLD).mean()),
        "mean_similarity": float(pairs.mean()),
        "kl_parts": float(np.mean(found["kl_parts"])),
        "effective_positions": float(np.mean(found["effective_positions"])),
        "objects": len(pairs),
    }
    if found["kl_mask"]:
        out["kl_mask"] = float(np.mean(found["kl_mask"]))
    return out


def collect(model, config, split: str = "val", limit: int = 100) -> dict:
    """{similarity: [objects, pairs], kl_parts, effective_positions, kl_mask: lists} of the objects of `limit` images."""
    objects = Objects(config, split, limit)
    found = {"similarity": [], "kl_parts": [], "effective_positions": [], "kl_mask": []}
    for image, boxes, masks in objects:
        for i, (flat, places) in enumerate(masks_of(model, objects.after(image), boxes)):
            if flat.shape[1] == 0:  # the region contains no cell
                continue
            found["similarity"].append(similarities(flat))
            found["kl_parts"].append(kl_between_parts(flat))
            found["effective_positions"].append(effective_positions(flat))
            if masks is not None:
                on = on_grid if isinstance(places, tuple) else at_points
                truth = on(masks[i], boxes[i], places).ravel()
                if truth.sum() > 0:
                    found["kl_mask"].append(kl(truth, flat.max(0)))
    if not found["similarity"]:
        raise ConfigError(f"dataset.{split} has no object of at least a few pixels")
    found["similarity"] = np.stack(found["similarity"])
    return found


def similarities(masks) -> np.ndarray:
    """The cosines [N (N - 1) / 2] of all pairs of masks [N, P]."""
    unit = masks / np.maximum(np.linalg.norm(masks, axis=1, keepdims=True), 1e-12)
    return (unit @ unit.T)[np.triu_indices(len(masks), 1)]


def kl_between_parts(masks) -> float:
    """Mean of KL(m_i || m_j) over the ordered pairs i != j of masks [N, P]."""
    p = masks / masks.sum(1, keepdims=True)
    log = np.log(p + EPSILON)
    divergence = (p * log).sum(1)[:, None] - p @ log.T
    count = len(masks)
    return float((divergence.sum() - np.trace(divergence)) / (count * (count - 1)))


def effective_positions(masks) -> float:
    """Mean over the masks [N, P] of exp(entropy)."""
    p = masks / masks.sum(1, keepdims=True)
    return float(np.exp(-(p * np.log(p + EPSILON)).sum(1)).mean())


def kl(p, q) -> float:
    """KL(p || q) of two non-negative vectors, each normalised to sum 1."""
    p, q = p / p.sum(), q / q.sum()
    return float((p * (np.log(p + EPSILON) - np.log(q + EPSILON))).sum())


def on_grid(mask, box, grid) -> np.ndarray:
    """[rows, columns]: the fraction of each block of the box that the mask [H, W] covers, from 4 x 4 points per block."""
    (rows, columns), fine = grid, 4
    x = box[0] + (np.arange(columns * fine) + 0.5) / (columns * fine) * (box[2] - box[0])
    y = box[1] + (np.arange(rows * fine) + 0.5) / (rows * fine) * (box[3] - box[1])
    column = np.clip(np.floor(x).astype(int), 0, mask.shape[1] - 1)
    row = np.clip(np.floor(y).astype(int), 0, mask.shape[0] - 1)
    return mask[np.ix_(row, column)].reshape(rows, fine, columns, fine).mean((1, 3))


def at_points(mask, box, points) -> np.ndarray:
    """[P]: the mask [H, W] at points (x, y) [P, 2] in pixels; 0 outside the image."""
    x, y = np.floor(points).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    return np.where(inside, mask[y.clip(0, mask.shape[0] - 1), x.clip(0, mask.shape[1] - 1)], 0).astype(float)


def histogram(similarity, out: str, title: str = "") -> str:
    """Draw figure 7, the histogram of the pairs' similarities averaged over objects, into the file `out`."""
    figure, axis = pyplot().subplots(figsize=(5, 3))
    axis.hist(
        similarity.mean(0), bins=np.linspace(0, 1, 41), weights=np.full(similarity.shape[1], 100 / similarity.shape[1])
    )
    axis.axvline(THRESHOLD, color="tab:orange", linewidth=1)
    axis.set_xlabel("cosine similarity of two masks, averaged over objects")
    axis.set_ylabel("% of pairs")
    axis.set_title(literal(title), fontsize=9)
    figure.tight_layout()
    return save_figure(figure, out)
