import numpy as np

from jsra.heads.rpn import _FlatOffsets


def test_where_the_outputs_of_an_anchor_stand(rng):
    """locate() against indexing the levels' own arrays [B, A, H, W] and [B, 4A, H, W]."""
    batch, a, sizes = 3, 2, [(4, 5), (2, 3)]
    logits = [rng.standard_normal((batch, a, h, w)) for h, w in sizes]
    deltas = [rng.standard_normal((batch, 4 * a, h, w)) for h, w in sizes]
    flat_logits = np.concatenate([x.reshape(-1) for x in logits])
    flat_deltas = np.concatenate([x.reshape(-1) for x in deltas])
    offsets = _FlatOffsets(sizes, a, batch)
    for image in range(batch):
        expected_logits, expected_deltas = [], []
        for x, d in zip(logits, deltas):  # anchors are ordered by level, position, anchor
            for y in range(x.shape[2]):
                for i in range(x.shape[3]):
                    for k in range(a):
                        expected_logits.append(x[image, k, y, i])
                        expected_deltas.append(d[image, 4 * k : 4 * k + 4, y, i])
        at, box_at = offsets.locate(np.arange(len(expected_logits)), image)
        np.testing.assert_array_equal(flat_logits[at], expected_logits)
        np.testing.assert_array_equal(flat_deltas[box_at], expected_deltas)
