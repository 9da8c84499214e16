"""The losses and results of a user's own detector are checked before they are used."""

import jittor as jt
import numpy as np
import pytest

from jsra.data.masks import encode
from jsra.detectors.results import check_losses, check_results
from jsra.registry import ConfigError


class Own:
    """Replaces a detector: only its name is used."""


def result(**changes):
    whole = {"img_id": 7, "boxes": np.array([[0.0, 1, 2, 3]]), "scores": np.array([0.5]), "labels": np.array([1])}
    return {**whole, **changes}


def test_lists_and_vars_become_arrays():
    found = check_results(Own(), [result(boxes=[[0, 1, 2, 3]], scores=jt.array([0.5]), labels=[1.0])], [{"img_id": 7}])
    assert found[0]["boxes"].shape == (1, 4) and found[0]["scores"].tolist() == [0.5]
    assert found[0]["labels"].dtype == np.int32
    (nothing,) = check_results(Own(), [result(boxes=[], scores=[], labels=[])], [{"img_id": 7}])
    assert nothing["boxes"].shape == (0, 4)


@pytest.mark.parametrize("kind", [np.uint8, bool, np.int64, np.float32])
def test_bitmaps_become_rles(kind):
    """RLEs are what evaluations, mirrored images, pictures and files need; and they are small."""
    bitmap = np.zeros((6, 8), kind)
    bitmap[1:3, 2:5] = 1
    expected = encode(bitmap)
    for masks in (bitmap[None], [bitmap], jt.array(bitmap[None]), [expected]):
        (found,) = check_results(Own(), [result(masks=masks)], [{"img_id": 7}])
        assert found["masks"] == [expected]
    (found,) = check_results(Own(), [result(masks=256 * bitmap[None].astype(int))], [{"img_id": 7}])
    assert found["masks"] == [expected]
    for mask in (0.9 * bitmap, bitmap[None], None):  # a model may give what only its own programs use
        (found,) = check_results(Own(), [result(masks=[mask])], [{"img_id": 7}])
        assert found["masks"][0] is mask


@pytest.mark.parametrize(
    "returned, message",
    [
        (None, "evaluation must return a list of 1 results.*not None"),
        ([result(), result()], "must return a list of 1 results.*not 2 in a list"),
        ([None], "must be a dictionary with img_id, boxes, scores, labels"),
        ([{"img_id": 7, "boxes": []}], "lacks scores, labels"),
        ([result(img_id=8)], "img_id is 8 for image 7"),
        ([result(labels=[0])], "image 7: labels are whole numbers from 1"),
        ([result(labels=[1.5])], "image 7: labels are whole numbers from 1"),
        ([result(labels=[])], r"image 7: .*labels is float64 \[0\]"),
        ([result(scores=[np.nan])], "image 7: .*scores is float64"),
        ([result(boxes=[[0, 0, np.inf, 1]])], "image 7: .*boxes is float64"),
        ([result(boxes=[0, 1, 2, 3])], r"image 7: .*boxes is int64 \[4\]"),
        ([result(boxes=[[0, 1, 2, 3], [0, 1]])], "image 7: .*boxes is object"),
        ([result(masks=[])], "image 7: 0 masks for 1 boxes"),
    ],
)
def test_wrong_results(returned, message):
    with pytest.raises(ConfigError, match=f"Own: .*{message}"):
        check_results(Own(), returned, [{"img_id": 7}])


@pytest.mark.parametrize("losses", [None, [], {}, {"loss": 1.0}, {0: None}])
def test_wrong_losses(losses):
    with pytest.raises(ConfigError, match="Own: training must return"):
        check_losses(Own(), losses)
