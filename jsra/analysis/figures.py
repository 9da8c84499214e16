"""The figures of an analysis, as PNG files, with matplotlib."""

from __future__ import annotations

import os
import re

import numpy as np

from jsra.analysis.errors import POINTS
from jsra.analysis.matching import KINDS
from jsra.data.image import DataError, read_image
from jsra.output import picture_ending, pyplot, save_figure, write_picture
from jsra.visualize.detections import color, draw_detections
from jsra.visualize.literal import literal

MOST_CLASSES = 20  # classes in a figure; the table has all
WORST = re.compile(r"worst_\d+\.(jpg|png)")


def precision_recall(curves: dict, names, path) -> str:
    """curves: {label: precision [101]}; the mean in black."""
    figure, axis = pyplot().subplots(figsize=(6, 4.4), constrained_layout=True)
    best = sorted(curves, key=lambda label: -curves[label].mean())[:MOST_CLASSES]
    for label in best:
        rgb = [v / 255 for v in color(label)]
        said = f"{literal(names[label - 1])} {curves[label].mean():.2f}"
        axis.plot(POINTS, curves[label], color=rgb, linewidth=1, label=said)
    mean = np.mean(list(curves.values()), axis=0)
    axis.plot(POINTS, mean, color="black", linewidth=2.2, label=f"mean of {len(curves)} {mean.mean():.2f}")
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axis.set_title("Precision and recall at IoU 0.5; numbers: AP50")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return save_figure(figure, path, dpi=110)


def confusion_matrix(matrix, names, path) -> str:
    """Each row as fractions of its true class; if there are many classes, only those that are confused most."""
    size = len(names)
    chosen = np.arange(size)
    if size > MOST_CLASSES:
        wrong = matrix[:size, :size].copy()
        np.fill_diagonal(wrong, 0)
        chosen = np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:MOST_CLASSES])
    index = np.append(chosen, size)
    part = matrix[np.ix_(index, index)].astype(float)
    shares = part / np.maximum(matrix[index].sum(axis=1, keepdims=True), 1)
    side = max(4.0, 0.34 * len(index) + 1.6)
    figure, axis = pyplot().subplots(figsize=(side + 0.6, side), constrained_layout=True)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(part):
        if count:
            shade = "white" if shares[row, column] > 0.5 else "black"
            axis.text(column, row, f"{int(count)}", ha="center", va="center", fontsize=7, color=shade)
    labels = [literal(names[i]) for i in chosen]
    axis.set_xticks(range(len(index)), [*labels, "not detected"], rotation=90, fontsize=8)
    axis.set_yticks(range(len(index)), [*labels, "background"], fontsize=8)
    axis.set(xlabel="detected", ylabel="true", title="Confusion: number of objects, shade by row")
    return save_figure(figure, path, dpi=110)


def bars(labels, values, title, path, unit="") -> str:
    """Horizontal bars, the first one at the top."""
    figure, axis = pyplot().subplots(figsize=(6, 0.7 + 0.26 * len(labels)), constrained_layout=True)
    positions = np.arange(len(labels))[::-1]
    heights = np.nan_to_num(np.asarray(values, float))
    axis.barh(positions, heights, color="#4477aa")
    axis.set_yticks(positions, [literal(label) for label in labels], fontsize=8)
    for position, value in zip(positions, values):
        text = "none" if np.isnan(value) else f"{value:.1f}{unit}"
        axis.text(max(0, float(np.nan_to_num(value))), position, f" {text}", va="center", fontsize=8)
    axis.set_title(title)
    axis.set_xlim(min(0, heights.min(initial=0) * 1.15), max(heights.max(initial=0) * 1.15, 1e-3))
    return save_figure(figure, path, dpi=110)


def draw_errors(image, names, threshold: float):
    """uint8 [H, W, 3]: detections with a score of at least `threshold` and their errors, and missed objects."""
    pixels = read_image(image.file, image.size)
    missed = np.flatnonzero(image.missed)
    truth = {"boxes": image.boxes[missed], "labels": np.full(len(missed), 1)}
    truth["names"] = [f"missed: {names[image.labels[i] - 1]}" for i in missed]
    kept = [i for i, score in enumerate(image.scores) if score >= threshold]
    result = {"boxes": image.found_boxes[kept], "scores": image.scores[kept]}
    result["labels"] = np.array([2 if image.kinds[i] == "right" else 3 for i in kept], int)
    result["names"] = [_said(image, i, names) for i in kept]
    return draw_detections(draw_detections(pixels, truth), result, threshold)


def _said(image, i, names):
    name, kind = names[image.found_labels[i] - 1], image.kinds[i]
    return f"{kind}: {name}" if kind in KINDS else name


def worst(images, names, folder, count: int, threshold: float, own: bool = False) -> list:
    """Draw the `count` images with the most errors; returns [(path, text about the errors)]. own: pictures of a user's own
    data set, which may be no files: these have None as the path."""

    def faults(image):
        shown = image.kinds[image.scores >= threshold]
        return [kind for kind in shown if kind in KINDS] + ["missed"] * int(image.missed.sum())

    listed = [(image, faults(image)) for image in images]
    listed = sorted((pair for pair in listed if pair[1]), key=lambda pair: -len(pair[1]))[:count]
    os.makedirs(folder, exist_ok=True)
    for name in filter(WORST.fullmatch, os.listdir(folder)):  # of an earlier analysis, which may have had more
        os.unlink(os.path.join(folder, name))
    drawn = []
    for number, (image, wrong) in enumerate(listed, start=1):
        said = ", ".join(f"{wrong.count(kind)} {kind}" for kind in dict.fromkeys(wrong))
        said = f"{os.path.basename(image.file) or f'image id {image.img_id}'}: {said}"
        try:
            errors = draw_errors(image, names, threshold)
        except DataError:
            if not own:
                raise
            drawn.append((None, f"{said} (no file of a picture, so not drawn)"))
            continue
        path = os.path.join(folder, f"worst_{number:02d}{picture_ending(errors)}")
        drawn.append((write_picture(path, errors, quality=88), said))
    return drawn
