import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from jsra.cli import _expected
from jsra.data.coco import COCODataset
from jsra.data.image import DataError
from jsra.data.loader import DataLoader, collate
from jsra.data.sampler import epoch_order, make_batches, shard, share
from jsra.data.workers import WorkerError
from jsra.registry import ConfigError, build
from jsra.runtime.after_jittor import give_signals_back
from tests.data.tiny import NORMALIZE, write_coco

STEPS = [dict(type="Resize", min_size=[20, 30, 40], max_size=90), dict(type="RandomFlip", prob=0.5), NORMALIZE]


@pytest.fixture
def dataset(tmp_path):
    return make(tmp_path)


def make(folder, **arguments):
    defaults = dict(use_anno_cats=True, filter_min_size=0, transforms=STEPS, batch_size=2, shuffle=True, repeat=3)
    settings = {**defaults, **arguments}
    settings["transforms"] = build(settings["transforms"])
    return COCODataset(**write_coco(str(folder)), **settings)


def ids(batches):
    return [[t["img_id"] for t in targets] for _, targets in batches]


def assert_same(first, second):
    first, second = list(first), list(second)
    assert len(first) == len(second)
    for (images, targets), (other_images, other_targets) in zip(first, second):
        assert np.array_equal(images, other_images)
        for target, other in zip(targets, other_targets):
            assert target.keys() == other.keys()
            assert all(np.array_equal(target[k], other[k]) for k in target)


def test_collate_pads_to_the_largest():
    images, targets = collate([(np.ones((3, 40, 70), np.float32), 1), (np.ones((3, 60, 50), np.float32), 2)])
    assert images.shape == (2, 3, 60, 70) and targets == [1, 2]
    assert images.sum((1, 2, 3)).tolist() == [3 * 40 * 70, 3 * 60 * 50]
    assert not images[0, :, 40:].any() and not images[1, :, :, 50:].any()


def test_a_thin_picture_has_a_place_at_every_stride():
    images, _ = collate([(np.ones((3, 1, 300), np.float32), 1)])
    assert images.shape == (1, 3, 32, 300) and images.sum() == 900


def test_batches_cover_every_sample_once(rng):
    wide = rng.random(23) < 0.3
    for drop in (False, True):
        batches = make_batches(rng.permutation(23), 4, wide, drop)
        used = [i for b in batches for i in b]
        assert len(used) == len(set(used))
        assert len(used) == (20 if drop else 23)
    assert len(make_batches(range(23), 4, wide)) == 6


def test_aspect_ratio_batches_do_not_mix(rng):
    wide = np.arange(40) % 4 == 0
    batches = make_batches(rng.permutation(40), 4, wide)
    mixed = [b for b in batches if len({wide[i] for i in b}) > 1]
    assert len(mixed) <= 1 and len(batches) == 10


def test_number_of_batches_is_the_same_in_every_epoch(seed):
    wide = np.random.default_rng(seed).random(37) < 0.5
    counts = {len(make_batches(epoch_order(37, seed, e, True), 4, wide, drop)) for e in range(20) for drop in (False,)}
    assert len(counts) == 1


def test_order_depends_on_seed_and_epoch(seed):
    orders = [epoch_order(50, s, e, True).tolist() for s, e in ((seed, 0), (seed, 0), (seed, 1), (seed + 1, 0))]
    assert orders[0] == orders[1] and orders[0] != orders[2] and orders[0] != orders[3]
    assert epoch_order(4, seed, 3, False).tolist() == [0, 1, 2, 3]


def test_shards_together_are_the_batch():
    batches = [[0, 1, 2, 3], [4, 5, 6]]
    filled = [shard(batches, r, 2, fill_from=[0, 1, 2, 3]) for r in range(2)]
    assert filled == [[[0, 1], [4, 5]], [[2, 3], [6, 0]]]


@pytest.mark.parametrize("count, processes", [(5000, 8), (7, 3), (2, 5), (1, 1)])
def test_shares_of_a_test_are_contiguous_and_even(count, processes):
    batches = [[i] for i in range(count)]
    shares = [share(batches, r, processes) for r in range(processes)]
    assert [b for part in shares for b in part] == batches
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_give_the_same_batches(dataset, workers):
    with_workers = DataLoader(dataset, num_workers=workers)
    alone = DataLoader(dataset, num_workers=0)
    for epoch in (0, 4):
        assert_same(with_workers.epoch(epoch), alone.epoch(epoch))
    with_workers.close()


def test_no_more_workers_than_batches(dataset):
    loader = DataLoader(dataset, num_workers=100_000)
    assert_same(loader.epoch(0), DataLoader(dataset).epoch(0))
    assert len(loader._pool._workers) == len(loader) == 6
    loader.close()


def test_epochs_that_cannot_be(tmp_path):
    with pytest.raises(ConfigError, match="repeat gives 4000000000 samples an epoch"):
        DataLoader(make(tmp_path, repeat=10**9))
    with pytest.raises(ConfigError, match="fewer images than batch_size=100, and drop_last is set"):
        DataLoader(make(tmp_path, batch_size=100, drop_last=True))
    with pytest.raises(ConfigError, match="seed must be at least 0, not -1"):
        make(tmp_path, seed=-1)


def test_resume_within_an_epoch(dataset):
    loader = DataLoader(dataset, num_workers=2)
    whole = list(loader.epoch(2))
    assert len(whole) == len(loader) == 6
    assert_same(loader.epoch(2, start=4), whole[4:])
    assert list(loader.epoch(2, start=6)) == []
    loader.close()


def test_epochs_differ(dataset):
    loader = DataLoader(dataset)
    assert ids(loader.epoch(0)) != ids(loader.epoch(1))
    assert sorted(i for b in ids(loader.epoch(1)) for i in b) == sorted([1, 2, 3, 5] * 3)


def test_large_arrays_come_through_memory_files(tmp_path):
    big = [dict(type="Resize", min_size=300, max_size=500), NORMALIZE]
    dataset = make(tmp_path, transforms=big, with_masks=True)
    loader = DataLoader(dataset, num_workers=2)
    batches = list(loader.epoch(0))
    assert batches[0][0].nbytes > 1 << 20
    assert_same(batches, DataLoader(dataset, num_workers=0).epoch(0))
    batches[0][0][:] = 3  # the arrays are the caller's own, to be written too
    loader.close()
    assert batches[0][0].sum() > 0 and np.asarray(batches[0][1][0]["masks"]).sum() > 0


def test_processes_share_the_joint_batch(tmp_path):
    dataset = make(tmp_path, batch_size=4)
    joint = DataLoader(dataset).batches(1)
    parts = [DataLoader(dataset, rank=r, world_size=2, joint=True) for r in range(2)]
    assert len(parts[0]) == len(parts[1]) == len(joint) == 3
    for whole, *shares in zip(joint, *(p.batches(1) for p in parts)):
        assert shares[0] + shares[1] == whole
    with pytest.raises(ValueError, match="multiple of 3"):
        DataLoader(dataset, world_size=3, joint=True)
    with pytest.raises(ValueError, match="rank 2"):
        DataLoader(dataset, rank=2, world_size=2)


def test_testing_repeats_nothing(tmp_path):
    """Processes take whole batches of the one-process run, so that every image is padded as there."""
    dataset = make(tmp_path, shuffle=False, repeat=1, batch_size=1)
    parts = [DataLoader(dataset, r, 2) for r in range(2)]
    assert [ids(part.epoch(0)) for part in parts] == [[[1], [2]], [[3], [5]]] and list(map(len, parts)) == [2, 2]
    dataset.batch_size = 3
    assert [ids(DataLoader(dataset, r, 2)) for r in range(2)] == [[[1, 2, 3]], [[5]]]
    assert ids(DataLoader(dataset)) == [[1, 2, 3], [5]]


def test_too_few_images_for_a_batch(tmp_path):
    with pytest.raises(ValueError, match="fewer images than batch_size=50"):
        DataLoader(make(tmp_path, batch_size=50, drop_last=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_file_is_named_and_the_loader_survives(dataset, tmp_path, workers):
    file = tmp_path / "images" / "0003.png"
    content = file.read_bytes()
    file.write_bytes(b"broken")
    loader = DataLoader(dataset, num_workers=workers)
    with pytest.raises(DataError, match=r"0003\.png \(image id 3\) cannot be read"):
        list(loader.epoch(0))
    file.write_bytes(content)
    assert len(list(loader.epoch(0))) == 6
    loader.close()


class Deadly:
    """A data set whose sample 3 does `what` to the process that loads it."""

    batch_size, num_workers, shuffle, drop_last, aspect_ratio_grouping, seed = 1, 2, False, False, False, 0

    def __init__(self, what):
        self.what = what

    def __len__(self):
        return 6

    def record(self, index):
        return type("Record", (), {"file": f"{index}.jpg", "img_id": index})

    def get(self, index, epoch):
        if index == 3:
            self.what()
        return np.zeros((3, 4, 4), np.float32), {"img_id": index}


def test_killed_worker_is_noticed_and_named():
    loader = DataLoader(Deadly(lambda: os.kill(os.getpid(), signal.SIGKILL)))
    start, seen = time.time(), []
    with pytest.raises(
        RuntimeError, match=r"killed by SIGKILL while it was reading 3\.jpg \(image id 3\).*num_workers=0"
    ):
        for _, targets in loader.epoch(0):
            seen.append(targets[0]["img_id"])
    assert seen == [0, 1, 2] and time.time() - start < 5
    assert WorkerError in _expected()  # the command ends with this line, without a traceback
    loader.close()


def test_stuck_worker_is_named():
    loader = DataLoader(Deadly(lambda: time.sleep(60)), timeout=0.5)
    with pytest.raises(RuntimeError, match=r"gave no result for 0.5 s while it was reading 3\.jpg"):
        list(loader.epoch(0))
    assert loader._pool._workers == []  # the sleeping worker was ended


def test_exception_that_cannot_travel_keeps_its_text():
    class Odd(Exception):
        pass

    def fail():
        raise Odd("told")

    with pytest.raises(RuntimeError, match="Odd: told"):
        list(DataLoader(Deadly(fail)).epoch(0))


class OneSample(Deadly):
    """A data set of samples whose targets have a `more`."""

    def get(self, index, epoch):
        return np.zeros((3, 4, 4), np.float32), {"img_id": index, "more": self.what}


def test_a_sample_that_cannot_travel_is_no_killed_worker():
    with pytest.raises(ConfigError, match="a sample cannot be sent from a data worker .*lambda.*num_workers=0 loads"):
        next(DataLoader(OneSample(lambda: None)).epoch(0))


@pytest.mark.parametrize(
    "array",
    [
        np.ma.masked_array(np.zeros(20000), np.arange(20000) % 2), np.array([None, "a"] * 10000),
        np.zeros(20000, [("x", "i4"), ("y", "f4")]), np.arange(40000, dtype=">f4"),
    ],
    ids=["masked", "objects", "fields", "big-endian"],
)  # fmt: skip
def test_large_arrays_keep_what_is_not_bytes(array):
    loader = DataLoader(OneSample(array))
    found = next(loader.epoch(0))[1][0]["more"]
    loader.close()
    assert type(found) is type(array) and found.dtype == array.dtype and (found == array).all()
    assert np.array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(array)) or array.dtype.names


class Refusing(OneSample):
    """A data set with its own idea of copies, such as one that passes all attributes on to another."""

    def __reduce_ex__(self, protocol):
        raise TypeError("no copy")


def test_the_first_pictures_need_no_copy_by_the_users_class():
    given = Refusing(3)
    ((_, target),) = DataLoader(given).pictures([0])
    assert target["more"] == 3 and not hasattr(given, "features")


def test_a_daemon_may_not_have_workers(dataset, monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(ConfigError, match="set num_workers=0"):
        next(DataLoader(dataset, num_workers=2).epoch(0))


def test_leaving_an_epoch_early_is_fine(dataset):
    loader = DataLoader(dataset, num_workers=2)
    for _ in loader.epoch(0):
        break
    assert ids(loader.epoch(1)) == ids(DataLoader(dataset, num_workers=0).epoch(1))
    loader.close()


PARENT = """
import os, signal, jsra
{first}
from tests.data.test_loader import Deadly
from jsra.data.loader import DataLoader
loader = DataLoader(Deadly({what}))
try:
    for _, targets in loader.epoch(0):
        if targets[0]["img_id"] == 1:
            print(*[p.pid for p, _ in loader._pool._workers], flush=True)
            {then}
except RuntimeError as error:
    print("caught", str(error)[:30])
"""


def run_parent(what, then, first=""):
    give_signals_back()
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return subprocess.run(
        [sys.executable, "-c", PARENT.format(what=what, then=then, first=first)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_jittor_does_not_end_the_process_for_a_dead_worker():
    out = run_parent("lambda: os.kill(os.getpid(), signal.SIGKILL)", "pass", "import jittor")
    assert out.returncode == 0, out.stderr
    assert "caught data worker" in out.stdout


def test_workers_end_with_a_killed_parent():
    out = run_parent("lambda: None", "os.kill(os.getpid(), signal.SIGKILL)")
    assert out.returncode == -signal.SIGKILL
    pids = [int(p) for p in out.stdout.split()]
    deadline = time.time() + 10
    while any(os.path.exists(f"/proc/{p}") and not is_zombie(p) for p in pids):
        assert time.time() < deadline, "workers outlive their parent"
        time.sleep(0.05)


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_images_that_were_not_normalised_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="transforms: the result must be float32"):
        make(tmp_path, transforms=[STEPS[0]]).loader().load([0], 0)


def test_random_numbers_of_a_users_transform(tmp_path):
    """A transform may draw from the global generators: each sample has its own numbers, whatever the number of workers."""

    def draws(image, target, rng):
        return image, {**target, "drawn": (float(np.random.rand()), random.random())}

    def drawn(workers):
        data = make(tmp_path / str(workers), transforms=[NORMALIZE], num_workers=workers)
        data.transforms.transforms.append(draws)
        loader = data.loader()
        found = [t["drawn"] for number in (0, 1) for _, targets in loader.epoch(number) for t in targets]
        loader.close()
        return found

    before = np.random.get_state()[1].tolist(), random.getstate()
    alone = drawn(0)
    assert len({a for a, _ in alone}) == len({b for _, b in alone}) == len(alone)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before
    assert drawn(2) == alone
