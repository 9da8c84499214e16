"""Products of batches of matrices in NumPy: the oracle of the tests."""


def bmm(a, b, trans_a=False, trans_b=False):
    """As jsra.ops.bmm.bmm, on NumPy arrays in float64."""
    a = a.transpose(0, 2, 1) if trans_a else a
    return a @ (b.transpose(0, 2, 1) if trans_b else b)
