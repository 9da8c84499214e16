"""The order of the images: a list of batches that depends only on (seed, epoch)."""

from __future__ import annotations

import numpy as np


def epoch_order(count, seed, epoch, shuffle):
    """The indices 0..count-1 in the order of an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count) if shuffle else np.arange(count)


def make_batches(order, batch_size, wide=None, drop_last=False):
    """Cut an order into lists of batch_size indices.

    wide bool [count]: if given, a batch has only wide or only tall images, in the order of `order`, and the remaining images
    of both kinds form the last batches. The number of batches is the same for every order. drop_last: no short batch.
    """
    batches, open_batches = [], ([], [])
    for index in order:
        group = open_batches[int(wide[index]) if wide is not None else 0]
        group.append(int(index))
        if len(group) == batch_size:
            batches.append(list(group))
            group.clear()
    rest = open_batches[0] + open_batches[1]
    for start in range(0, len(rest), batch_size):
        batch = rest[start : start + batch_size]
        if len(batch) == batch_size or not drop_last:
            batches.append(batch)
    return batches


def shard(batches, rank, world_size, fill_from):
    """The part of each batch on which one of `world_size` processes trains.

    A batch that cannot be divided equally is filled up with the first indices of `fill_from`, so that every process has
    the same number of images.
    """
    parts = []
    for batch in batches:
        missing = -len(batch) % world_size
        batch = batch + [int(fill_from[i % len(fill_from)]) for i in range(missing)]
        size = len(batch) // world_size
        parts.append(batch[rank * size : (rank + 1) * size])
    return parts


def video_batches(videos, batch_size):
    """Batches of the indices 0, 1, ... in order; a batch ends where the video changes. videos: the video of each index."""
    batches = []
    for place, video in enumerate(videos):
        if place and video == videos[place - 1] and len(batches[-1]) < batch_size:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


def share_videos(batches, videos, rank, world_size):
    """The part of video_batches on which one of `world_size` processes tests: whole videos, with about the same number of
    frames in each process.

    The frames are divided into equal shares; a video belongs to the share that contains its middle frame.
    """
    runs = []  # [batches, frames] of each video
    for batch in batches:
        if not runs or videos[batch[0]] != videos[batch[0] - 1]:
            runs.append([[], 0])
        runs[-1][0].append(batch)
        runs[-1][1] += len(batch)
    total, before, found = len(videos), 0, []
    for own, frames in runs:
        if int((before + frames / 2) * world_size / total) == rank:
            found += own
        before += frames
    return found


def share(batches, rank, world_size):
    """The batches on which one of `world_size` processes tests: contiguous, none twice; the numbers differ by at most 1.

    Batches are not divided, so that each image is padded as in a single process: the results are the same.
    """
    return batches[len(batches) * rank // world_size : len(batches) * (rank + 1) // world_size]
