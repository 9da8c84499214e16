import jittor as jt
import numpy as np

from jsra.boxes.coder import DeltaXYWHBBoxCoder
from jsra.heads.box_branch import BoxBranch, _softmax
from jsra.heads.box_head import Shared2FCBBoxHead
from jsra.heads.roi_head import RoIHead
from jsra.losses.cross_entropy import CrossEntropyLoss
from jsra.losses.l1 import L1Loss


class Constant(jt.nn.Module):
    """An extractor whose feature of an RoI is its batch index and left edge."""

    def execute(self, feats, rois):
        return rois[:, :2].reshape((rois.shape[0], 2, 1, 1))


def test_each_image_gets_its_own_rois_back():
    """The head's only layer passes the left edge on as the logit of class 1, so that scores name their proposals."""
    head = Shared2FCBBoxHead(DeltaXYWHBBoxCoder(), CrossEntropyLoss(), L1Loss(), 1, 2, 1, num_fcs=0)
    head.cls.weight.assign(jt.array(np.float32([[0, 0], [0, 1]])))
    head.box.weight.assign(jt.zeros((4, 2)))
    model = RoIHead(BoxBranch(Constant(), head, None, None)).eval()
    proposals = [np.float32([[1, 0, 9, 9]]), np.zeros((0, 4), np.float32), np.float32([[2, 0, 9, 9], [3, 20, 9, 29]])]
    targets = [dict(img_id=i, img_size=(30, 30), ori_img_size=(60, 30)) for i in (7, 8, 9)]
    results = model(None, proposals, targets)
    assert [r["img_id"] for r in results] == [7, 8, 9]
    assert [len(r["boxes"]) for r in results] == [1, 0, 2]
    sigmoid = [1 / (1 + np.exp(-x)) for x in (1.0, 3.0, 2.0)]  # best first within an image
    np.testing.assert_allclose(np.concatenate([r["scores"] for r in results]), sigmoid, rtol=1e-5)
    np.testing.assert_allclose(results[2]["boxes"], [[6, 20, 18, 29], [4, 0, 18, 9]], rtol=1e-5)


def test_softmax_of_no_rows_and_of_huge_logits():
    assert _softmax(np.zeros((0, 3), np.float32)).shape == (0, 3)
    np.testing.assert_allclose(_softmax(np.float32([[1000, 1000, -1000]])), [[0.5, 0.5, 0]])
