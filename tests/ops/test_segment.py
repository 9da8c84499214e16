import numpy as np

from jsra.ops.reference import segment as reference
from jsra.ops.segment import segment_max, segment_mean
from tests.ops.tester import Case, OperatorTester


class TestSegmentMean(OperatorTester):
    op = staticmethod(segment_mean)
    reference = staticmethod(reference.segment_mean)

    def cases(self, rng):
        offsets = np.array([0, 0, 3, 3, 4, 9, 9], np.int32)
        return [
            Case("some segments empty", (rng.standard_normal((9, 5)), offsets)),
            Case("no rows", (np.zeros((0, 5)), np.zeros(3, np.int32))),
            Case("no segments", (np.zeros((0, 5)), np.array([0], np.int32))),
        ]


class TestSegmentMax(TestSegmentMean):
    op = staticmethod(segment_max)
    reference = staticmethod(reference.segment_max)
