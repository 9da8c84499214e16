import numpy as np
from tests.ops.tester import Case, OperatorTester

from jsra.ops import roi_align
from jsra.ops.reference.roi_align import roi_align as reference


class TestRoIAlign(OperatorTester):
    op = staticmethod(roi_align)
    reference = staticmethod(reference)

    def cases(self, rng):
        features = rng.standard_normal((2, 3, 13, 17))
        corners = rng.uniform(0, 60, (6, 2))
        sizes = rng.uniform(1, 40, (6, 2))
        rois = np.concatenate([rng.integers(0, 2, (6, 1)), corners, corners + sizes], axis=1)
        return [
            Case(f"aligned={a} ratio={r}", (features, rois), dict(output_size=(3, 2), spatial_scale=0.25, sampling_ratio=r, aligned=a))
            for a in (True, False)
            for r in (0, 2)
        ]
