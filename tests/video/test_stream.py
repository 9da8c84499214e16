"""A stream over a video gives the same results as each frame with its references."""

import jittor as jt
import numpy as np
import pytest

from jsra.evaluation.evaluator import detect
from jsra.fuse import FusedModel
from jsra.registry import build
from tests.data.small_vid import write_vid
from tests.video.small import build_fgfa, video


def plain(model, images, targets, before, after):
    """The result of each frame, its window beyond the ends filled with the first and the last frame."""
    results = []
    for i, target in enumerate(targets):
        places = [min(max(n, 0), len(targets) - 1) for n in range(i - before, i + after + 1) if n != i]
        references = {"references": images[places]} if places else {}
        results += FusedModel(model)(jt.array(images[i : i + 1]), [{**target, **references}])
    return results


def streamed(model, batches):
    stream, fused, results, held = model.stream(), FusedModel(model), [], 0
    for images, targets in batches:
        results += fused.run(stream.push, jt.array(images), targets)
        held = max(held, len(stream.frames))
    return results + fused.run(stream.finish), held


def assert_same(ours, expected):
    assert [r["img_id"] for r in ours] == [r["img_id"] for r in expected]
    assert sum(len(r["scores"]) for r in expected) > 0
    for a, b in zip(ours, expected):
        assert a["labels"].tolist() == b["labels"].tolist()
        np.testing.assert_allclose(a["scores"], b["scores"], atol=2e-5)
        np.testing.assert_allclose(a["boxes"], b["boxes"], atol=1e-2)


@pytest.mark.parametrize("window", [(2, 2), (1, 3), (0, 0)])
def test_as_with_the_references_at_hand(window, rng):
    model = build_fgfa(window=window)
    model.eval()
    images, targets = video(rng, 7)
    ours, held = streamed(model, ((images[i : i + 1], targets[i : i + 1]) for i in range(7)))
    assert_same(ours, plain(model, images, targets, *window))
    assert held <= sum(window) + 1


def test_videos_do_not_see_one_another(rng):
    """Two videos in batches of two frames; the second is shorter than the window, and the third of one frame."""
    model = build_fgfa(window=(2, 2))
    model.eval()
    parts = [video(rng, count, name) for count, name in ((4, 1), (2, 2), (1, 3))]
    expected = [r for images, targets in parts for r in plain(model, images, targets, 2, 2)]
    batches = [(images[i : i + 2], targets[i : i + 2]) for images, targets in parts for i in range(0, len(targets), 2)]
    assert_same(streamed(model, batches)[0], expected)


def test_still_images_do_not_see_one_another(rng):
    """They name no video."""
    model = build_fgfa(window=(1, 1))
    model.eval()
    images, targets = video(rng, 3)
    stills = [{key: value for key, value in target.items() if key != "video_id"} for target in targets]
    expected = [r for i in range(3) for r in plain(model, images[i : i + 1], stills[i : i + 1], 1, 1)]
    assert_same(streamed(model, [(images[:2], stills[:2]), (images[2:], stills[2:])])[0], expected)


def test_a_frame_of_another_size(rng):
    model = build_fgfa(window=(1, 1))
    model.eval()
    images, targets = video(rng, 2)
    stream = model.stream()
    stream.push(jt.array(images[:1]), targets[:1])
    with pytest.raises(ValueError, match="frame 'v0/1' is 48 x 64 pixels, those before it in its video 64 x 64"):
        stream.push(jt.array(images[1:, :, :, :48]), [{**targets[1], "img_size": (48, 64)}])


def test_evaluation_of_a_data_set(tmp_path):
    """Every frame once and in order; two processes find together what one finds alone."""
    normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
    dataset = build(
        dict(type="VIDDataset", root=write_vid(str(tmp_path)), image_set="VID/train_videos", filter_empty_gt=False,
             transforms=[normalize, dict(type="Pad", size_divisor=32)], batch_size=3),
        "dataset",
    )  # fmt: skip
    model = build_fgfa(window=(2, 2))
    alone = list(detect(model, dataset.loader()))
    assert [r["img_id"] for r in alone] == dataset.img_ids
    shares = [list(detect(model, dataset.loader(rank, 2))) for rank in range(2)]
    assert [len(share) for share in shares] == [20, 3]
    for a, b in zip(alone, shares[0] + shares[1]):
        assert a["img_id"] == b["img_id"] and a["labels"].tolist() == b["labels"].tolist()
        np.testing.assert_array_equal(a["boxes"], b["boxes"])
