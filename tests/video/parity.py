"""Inputs for comparing FGFA's parts with PyTorch; reference/make_torch.py and the tests make the same ones. Uses only
NumPy."""

from __future__ import annotations

import os
import zlib

import numpy as np

from tests.detectors.parity import sampled  # noqa: F401

FOLDER = os.path.join(os.path.dirname(__file__), "reference")
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
BATCH, COUNT, CHANNELS, SIZE = 2, 2, 24, (112, 144)  # key frames, references of each, channels of the maps, (height, width)
STAGES = ((1, 7, 1), (2, 5, 1), (4, 5, 2), (8, 3, 2), (8, 3, 2), (16, 3, 2))  # of FlowNetS: width / 64, kernel, convolutions
GRADIENTS = (
    "motion.conv1.0.weight", "motion.conv3.1.weight", "motion.conv6.0.bias", "motion.deconv3.weight",
    "motion.predict_flow6.weight", "motion.upsample_flow4.weight", "motion.predict_flow.weight",
    "aggregator.embed_convs.0.weight", "aggregator.embed_convs.0.bias",
)  # fmt: skip


def shapes() -> dict:
    """{our name: shape} of FlowNetS and of an aggregator of CHANNELS."""
    found, channels, widths = {}, 6, []
    for number, (width, kernel, count) in enumerate(STAGES, start=1):
        for i in range(count):
            found[f"motion.conv{number}.{i}.weight"] = (64 * width, channels, *([3 if i else kernel] * 2))
            found[f"motion.conv{number}.{i}.bias"] = (64 * width,)
            channels = 64 * width
        widths.append(channels)
    for level in (5, 4, 3, 2):
        out = 64 * 2 ** (level - 2)
        found[f"motion.deconv{level}.weight"] = (channels, out, 4, 4)
        found[f"motion.predict_flow{level + 1}.weight"] = (2, channels, 3, 3)
        found[f"motion.upsample_flow{level}.weight"] = (2, 2, 4, 4)
        channels = widths[level - 1] + out + 2
    found["motion.predict_flow.weight"] = (2, channels, 3, 3)
    found["aggregator.embed_convs.0.weight"] = (CHANNELS, CHANNELS, 3, 3)
    found["aggregator.embed_convs.0.bias"] = (CHANNELS,)
    return found


def seeded(name, shape) -> np.ndarray:
    """Weights that keep the size of what they are applied to; flows of a few pixels."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("bias"):
        return rng.normal(0, 0.05, shape).astype(np.float32)
    taps = shape[0] * 4 if "deconv" in name or "upsample" in name else int(np.prod(shape[1:]))
    return (rng.normal(0, 1, shape) * (2 / taps) ** 0.5 * (0.1 if ".predict_flow" in name else 1)).astype(np.float32)


def inputs():
    """(key frames [B, 3, H, W], references [B, R, 3, H, W], sizes [B, 2], maps [B, 1 + R, C, H / 16, W / 16])."""
    rng = np.random.default_rng(11)
    height, width = SIZE
    shape = (BATCH, 1 + COUNT, 3, height, width)
    smooth = rng.normal(0, 1, (BATCH, 1 + COUNT, 3, height // 8, width // 8)).repeat(8, axis=3).repeat(8, axis=4)
    frames = (smooth + rng.normal(0, 0.3, shape)).astype(np.float32)
    sizes = np.float32([[width, height], [width - 11, height - 5]])
    for one, (w, h) in zip(frames, sizes.astype(int)):
        one[..., h:, :] = 0
        one[..., w:] = 0
    maps = rng.normal(0, 1, (BATCH, 1 + COUNT, CHANNELS, height // 16, width // 16)).astype(np.float32)
    return frames[:, 0], frames[:, 1:], sizes, maps


def weights_of_loss(shape):
    return np.random.default_rng(12).normal(0, 1, shape).astype(np.float32)
