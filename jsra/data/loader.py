"""Batches of a dataset, in this process or from worker processes.

    loader = DataLoader(dataset)                      # or dataset.loader(rank=, world_size=)
    for images, targets in loader.epoch(3, start=10): # images float32 [B, 3, H, W], zeros at the right and bottom
        ...
    loader.close()

The batches of (seed, epoch) are the same for any number of workers and after any resume. If a worker reads a broken file, the
error is raised here, as DataError with file and image id. A worker that is killed or hangs is reported; the loader never
waits forever. Workers are forked and never use Jittor.
"""

from __future__ import annotations

import contextlib

import numpy as np

from jsra.arguments import short
from jsra.data.sampler import epoch_order, make_batches, shard, share, share_videos, video_batches
from jsra.data.workers import WorkerPool
from jsra.registry import ConfigError
from jsra.runtime.seed import seeded

MOST_SAMPLES = 10**8  # per epoch: their order is stored as a list
MOST_WORKERS = 256
LEAST_SIDE = 32  # pixels; a backbone whose last stride is 32 has no place for less


def collate(samples):
    """[(image [3, h, w], target)] -> (float32 [B, 3, H, W] with the largest h and w, at least 32, list of targets).

    If the dataset delivers features, each sample has a tuple of maps [C, h, w] instead of an image; the result is then a
    tuple of maps [B, C, h, w] and the targets.
    """
    if isinstance(samples[0][0], tuple):
        return _collate_maps([maps for maps, _ in samples]), [target for _, target in samples]
    for image, _ in samples:
        is_array = isinstance(image, np.ndarray)
        if not is_array or image.ndim != 3 or image.shape[0] != 3 or image.dtype.kind != "f":
            found = f"{image.dtype} {list(image.shape)}" if is_array else short(image)
            raise ConfigError(f"transforms: the result must be float32 [3, H, W], not {found}: add Normalize")
    height = max(LEAST_SIDE, *(image.shape[1] for image, _ in samples))
    width = max(LEAST_SIDE, *(image.shape[2] for image, _ in samples))
    images = np.zeros((len(samples), 3, height, width), np.float32)
    for batch_image, (image, _) in zip(images, samples):
        batch_image[:, : image.shape[1], : image.shape[2]] = image
    return images, [target for _, target in samples]


def check_sample(dataset, index, sample):
    """Returns what `get` of a data set gave. Raises ConfigError unless it is an image and a target."""
    if not isinstance(sample, tuple) or len(sample) != 2 or not isinstance(sample[1], dict):
        raise ConfigError(f"{type(dataset).__name__}.get({index}): must return (image, target), not {short(sample)}")
    return sample


def first_of(dataset):
    """The first (image, target) of a data set, checked, for a look at its form before a run."""
    return check_sample(dataset, 0, separate(dataset).get(0))


def separate(dataset):
    """A shallow copy for the first pictures: a user's data set may open a file at its first one, and workers that are forked
    later must not share it.

    copy.copy would call methods of the user's class: a `__getattr__` that passes everything on calls itself without end
    there, and Jittor has raised Python's limit so far that this ends the process.
    """
    made = object.__new__(type(dataset))
    vars(made).update(vars(dataset))
    return made


def _collate_maps(samples):
    shapes = {maps[0].shape[1:] for maps in samples}
    if len(shapes) > 1:
        # Padding features is not the same as padding images.
        raise ConfigError(
            f"feature_cache: the images of a batch have maps of different sizes, {sorted(shapes)[:2]}; give all images one "
            "size, for example by Pad(size_divisor=...) with the largest side"
        )
    return tuple(np.stack(maps) for maps in zip(*samples))


class DataLoader:
    """Batches of `dataset` for one of `world_size` processes.

    joint: True: every batch is divided among the processes (training: batch_size counts the images of all processes together,
    and all have the same number of batches). False: each process has a contiguous share of the batches (testing), with whole
    videos if the dataset has videos.

    dataset: has get(index, epoch), batch_size, num_workers, shuffle, drop_last, aspect_ratio_grouping, seed, record(); a
    video dataset also has videos_of_samples().
    num_workers: overrides the dataset's; 0 loads in this process; at most the number of batches, and at most 256. prefetch:
    batches that are loaded ahead per worker. timeout: seconds without a batch after which a worker counts as stuck.
    """

    def __init__(self, dataset, rank=0, world_size=1, joint=False, num_workers=None, prefetch=2, timeout=600):
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} is not one of the {world_size} processes")
        if joint and dataset.batch_size % world_size:
            raise ConfigError(
                f"batch_size={dataset.batch_size} counts the images of all {world_size} processes together; it must be "
                f"a multiple of {world_size}"
            )
        if len(dataset) > MOST_SAMPLES:
            raise ConfigError(f"{dataset!r}: repeat gives {len(dataset)} samples an epoch; {MOST_SAMPLES} at most")
        self.dataset = dataset
        self.rank = rank
        self.world_size = world_size
        self.joint = joint
        self.num_workers = dataset.num_workers if num_workers is None else num_workers
        self.prefetch = prefetch
        self.timeout = timeout
        # The library's data sets seed the transforms; in a user's own methods, everything may draw.
        ours = getattr(dataset, "is_ours", None)
        self._seeds = ours is None or not ours("get", "picture", "target", "transformed")
        self._pool = None
        self._wide = None
        self._videos = None
        if not joint and not dataset.shuffle and hasattr(dataset, "videos_of_samples"):
            self._videos = dataset.videos_of_samples()
        if dataset.aspect_ratio_grouping:
            records = [dataset.record(i) for i in range(len(dataset))]
            self._wide = np.array([r.width > r.height for r in records])
        if not self._all_batches(0):
            raise ConfigError(f"{dataset!r} has fewer images than batch_size={dataset.batch_size}, and drop_last is set")
        self._length = len(self.batches(0))

    def __len__(self):
        """Batches per epoch of this process; the same in every epoch and, if joint, in every process."""
        return self._length

    def _all_batches(self, epoch):
        d = self.dataset
        if self._videos is not None:
            return video_batches(self._videos, d.batch_size)
        return make_batches(epoch_order(len(d), d.seed, epoch, d.shuffle), d.batch_size, self._wide, d.drop_last)

    def batches(self, epoch):
        """The sample indices of each batch that this process loads in `epoch`."""
        batches = self._all_batches(epoch)
        if self.world_size == 1:
            return batches
        if self.joint:
            return shard(batches, self.rank, self.world_size, batches[0])
        if self._videos is not None:
            return share_videos(batches, self._videos, self.rank, self.world_size)
        return share(batches, self.rank, self.world_size)

    def load(self, indices, epoch):
        """One batch, loaded in this process."""
        return collate([self._sample(self.dataset, index, epoch) for index in indices])

    def pictures(self, indices, epoch=0) -> list:
        """(image, target) of samples, also if the data set delivers features; see `separate`."""
        dataset = separate(self.dataset)
        dataset.features = None
        return [self._sample(dataset, index, epoch) for index in indices]

    def _sample(self, dataset, index, epoch):
        with seeded(dataset.seed, epoch, index) if self._seeds else contextlib.nullcontext():
            return check_sample(dataset, index, dataset.get(index, epoch))

    def __iter__(self):
        return self.epoch(0)

    def epoch(self, epoch, start=0):
        """Yield (images, targets) of each batch from number `start` on."""
        batches = self.batches(epoch)[start:]
        if not self.num_workers:
            for indices in batches:
                yield self.load(indices, epoch)
            return
        if self._pool is None:
            workers = min(self.num_workers, len(self), MOST_WORKERS)
            self._pool = WorkerPool(self.load, workers, self.prefetch, self.timeout, self._describe)
        yield from self._pool.run([(indices, epoch) for indices in batches])

    def _describe(self, indices, epoch):
        records = [self.dataset.record(i) for i in indices]
        return ", ".join(f"{r.file} (image id {r.img_id})" for r in records)

    def close(self):
        """Stop the workers. This also happens when the loader is deleted and when this process ends."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def __del__(self):
        if getattr(self, "_pool", None) is not None:
            self.close()
