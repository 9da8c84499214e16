"""Sampling of matched boxes in NumPy, image by image."""

import numpy as np


def _mix(z):
    """SplitMix64 (Steele, Lea and Flood 2014) of a uint64."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def sample_keys(seed, image, count):
    """uint32 [count]: the keys of the boxes of an image for a seed."""
    start = _mix(np.array([seed], np.uint64))
    return (_mix(start ^ (np.uint64(image << 32) | np.arange(count, dtype=np.uint64))) >> np.uint64(32)).astype(
        np.uint32
    )


def sample_matches(matched, keys, num, pos_fraction, neg_pos_ub=-1):
    """As jsra.ops.sample_matches."""
    index = np.full((len(matched), num), -1, np.int32)
    positives, totals = [], []
    for b, own in enumerate(matched):
        order = keys[b] if isinstance(keys, np.ndarray) else sample_keys(keys, b, len(own))
        first = np.lexsort((np.arange(len(own)), order))
        pos = np.sort(first[own[first] > 0][: int(num * pos_fraction)])
        wanted = num - len(pos)
        if neg_pos_ub >= 0:
            wanted = min(wanted, int(neg_pos_ub * max(1, len(pos))))
        chosen = np.concatenate([pos, np.sort(first[own[first] == 0][:wanted])])
        index[b, : len(chosen)] = chosen
        positives.append(len(pos))
        totals.append(len(chosen))
    return index, np.array(positives, np.int32), np.array(totals, np.int32)
