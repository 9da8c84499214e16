"""Small parts for the tests of RoI heads."""

import jittor as jt
import numpy as np

from jsra.boxes.coder import DeltaXYWHBBoxCoder
from jsra.boxes.detections import DetectionSelector
from jsra.boxes.matcher import MaxIoUAssigner
from jsra.boxes.sampler import RandomSampler
from jsra.boxes.structures import Targets
from jsra.heads.box_branch import BoxBranch
from jsra.heads.box_head import Shared2FCBBoxHead
from jsra.losses.cross_entropy import CrossEntropyLoss
from jsra.losses.l1 import L1Loss


class Corner(jt.nn.Module):
    """An extractor whose feature of an RoI is its batch index and left edge."""

    def execute(self, feats, rois):
        return rois[:, :2].reshape((rois.shape[0], 2, 1, 1))


def branch(cls, box, num=4, add_gt=True, agnostic=False, pos_iou=0.5, **settings):
    """A BoxBranch of one class on Corner. cls [2, 2]: weights of the logits (background, class 1) from (batch, left edge);
    box: the constant deltas of every RoI."""
    head = Shared2FCBBoxHead(
        DeltaXYWHBBoxCoder(), CrossEntropyLoss(), L1Loss(), 1, 2, 1, num_fcs=0, reg_class_agnostic=agnostic
    )
    head.cls.weight.assign(jt.array(np.float32(cls)))
    head.box.weight.assign(jt.zeros((4, 2)))
    head.box.bias.assign(jt.array(np.float32(box)))
    sampler = RandomSampler(num=num, pos_fraction=0.5, add_gt_as_proposals=add_gt)
    assigner = MaxIoUAssigner(pos_iou, pos_iou, match_low_quality=False)
    return BoxBranch(Corner(), head, assigner, sampler, DetectionSelector(**settings))


def targets(*boxes, training=True, size=(30, 30), original=None):
    """An image of `size` with objects of class 1 for each list of boxes."""
    images = [
        dict(img_id=i, img_size=size, ori_img_size=original or size, bboxes=b, labels=[1] * len(b))
        for i, b in enumerate(boxes)
    ]
    return Targets(images, training)
