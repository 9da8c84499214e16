import numpy as np

from jsra.ops.add_norm_relu import add_norm_relu
from jsra.ops.reference.add_norm_relu import add_norm_relu as reference
from tests.ops.tester import Case, OperatorTester


class TestAddNormRelu(OperatorTester):
    op = staticmethod(add_norm_relu)
    reference = staticmethod(reference)

    def cases(self, rng):
        def case(name, total, channels, sizes, statistics=False, then=0):
            distance = 0
            while distance < 1e-3:  # from the kink of the ReLU: a difference must not step over it
                x = rng.standard_normal((total, channels)) + 10  # far from zero: the variance must not lose digits
                tables = [rng.standard_normal((size, channels)) for size in sizes]
                rows = np.stack([rng.integers(0, size, total) for size in sizes]).astype(np.int32)
                weight, bias = rng.uniform(0.5, 1.5, channels), rng.standard_normal(channels)
                given = (
                    np.stack([rng.standard_normal(channels) + 10, rng.uniform(0.5, 2, channels)]) if statistics else None
                )
                above, below = (reference(x, tables, rows, s * weight, s * bias, given)[0] for s in (1, -1))
                distance = (above + below).min()
            product = rng.standard_normal((then, channels)) if then else None
            inputs = (x, tables, rows, weight, bias, given, 1e-5, product)
            return Case(name, inputs, grad=(0, 1, 3, 4, 7) if then else (0, 1, 3, 4))

        return [
            case("two tables", 40, 7, [3, 6]),
            case("one table", 50, 70, [5]),
            case("given statistics", 20, 65, [4, 4], statistics=True),
            case("a product that follows", 30, 6, [3, 6], then=4),
        ]
