import numpy as np
import pytest

from jsra.data.dataset import Record
from jsra.evaluation.motion_ap import MotionAP, motion_iou
from jsra.registry import ConfigError


class Frames:
    """A data set of the frames of one video."""

    CLASSES = ("ball",)

    def __init__(self, records):
        self.records = records
        self.img_ids = [r.img_id for r in records]


def moving(step, track, frames=3, start=0.0, y=0.0):
    """The boxes of a square of side 10 that moves `step` a frame."""
    return {i: ([start + step * i, y, start + step * i + 10, y + 10], track) for i in range(frames)}


def frames(*objects, video=1):
    count = max(max(o) for o in objects) + 1
    found = []
    for i in range(count):
        own = [o[i] for o in objects if i in o]
        boxes, tracks = [box for box, _ in own], [track for _, track in own]
        found.append(
            Record(f"{video}/{i}", "", 200, 200, boxes, np.ones(len(boxes)), track_ids=tracks, video_id=video, frame_index=i)
        )
    return found


def test_motion_iou_by_hand():
    """Steps of 2 of a side of 10: one frame apart the IoU is 8/12, two apart 6/14."""
    records = frames(moving(2, 5), moving(0, 6, start=100))
    first, second, third = motion_iou(records)
    np.testing.assert_allclose(first, [(8 / 12 + 6 / 14) / 2, 1])
    np.testing.assert_allclose(second, [8 / 12, 1])
    np.testing.assert_allclose(third, first)


def test_only_frames_near_by_and_of_the_track_count():
    records = frames(moving(1, 0, frames=25))
    ious = motion_iou(records)[0]
    assert ious[0] == pytest.approx(np.mean([max(0, 10 - d) / (10 + d) for d in range(1, 11)]))
    lonely = frames(moving(1, 0, frames=1), {0: ([5, 5, 9, 9], -1), 1: ([5, 5, 9, 9], -1)})
    assert np.isnan(motion_iou(lonely)[0]).all()  # one has no other frame, the other no track
    apart = [*frames(moving(1, 0, frames=1)), *frames(moving(1, 0, frames=1), video=2)]
    assert np.isnan(np.concatenate(motion_iou(apart))).all()


def test_each_speed_has_its_objects():
    """A ball at rest, one of IoU 9/11 and a fast one; the first and the last are found, and something that is none."""
    records = frames(moving(0, 0, 2), moving(1, 1, 2, y=50), moving(6, 2, 2, y=100))
    found = [record.boxes[[0, 2]] for record in records]
    wrong = np.float32([[150, 150, 160, 160]])
    results = {
        r.img_id: {"boxes": np.concatenate([boxes, wrong]), "scores": np.array([0.9, 0.8, 0.7]), "labels": np.ones(3, int)}
        for r, boxes in zip(records, found)
    }
    metrics = MotionAP().evaluate(Frames(records), results, None)
    assert metrics["motion_AP50_slow"] == 1 and metrics["motion_AP50_medium"] == 0 and metrics["motion_AP50_fast"] == 1
    for result in results.values():
        result["scores"] = np.array([0.5, 0.8, 0.9])  # the wrong one comes first now
    metrics = MotionAP().evaluate(Frames(records), results, None)
    assert metrics["motion_AP50_slow"] == pytest.approx(0.5)
    assert "slow" in metrics.table and metrics.per_class["motion_AP50_fast"] == {"ball": pytest.approx(0.5)}


def test_a_data_set_without_tracks_is_refused():
    with pytest.raises(ConfigError, match="MotionAP: .* has no track ids"):
        MotionAP().check(Frames([Record("a", "", 20, 20)]))
