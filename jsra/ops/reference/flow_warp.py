"""Warping by a flow, cell by cell."""

import numpy as np


def flow_warp(input, flow):
    """See jsra.ops.flow_warp; NumPy arrays."""
    input = np.asarray(input, np.float64)
    out = np.zeros_like(input)
    batches, _, height, width = input.shape
    for b in range(batches):
        for y in range(height):
            for x in range(width):
                move = flow[b, :, y, x].astype(np.float64)
                if not np.isfinite(move).all():
                    continue
                column, row = np.clip(x + move[0], 0, width - 1), np.clip(y + move[1], 0, height - 1)
                for i in range(height):
                    for j in range(width):
                        weight = max(0.0, 1 - abs(row - i)) * max(0.0, 1 - abs(column - j))
                        if weight:
                            out[b, :, y, x] += weight * input[b, :, i, j]
    return out
