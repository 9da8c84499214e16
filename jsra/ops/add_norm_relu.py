"""Sum of rows and table rows, normalisation per channel, ReLU: the step between two layers of the fast form of SRA."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run, runs_cuda_files
from jsra.ops.linear import product
from jsra.ops.scatter import box_dtype

MAX_TABLES = 2
_CHUNKS = 64  # jsra::cuda::NORM_CHUNKS


def add_norm_relu(x, tables, rows, weight, bias, statistics=None, eps=1e-5, then=None):
    """relu(weight * (s - mean) / sqrt(variance + eps) + bias), where s[t] = x[t] + sum over i of tables[i][rows[i, t]].

    Args:
        x: [T, C]. tables: one or two Vars [R_i, C] of its dtype. rows: int32 [len(tables), T], 0 to R_i - 1 (not checked).
        weight, bias: [C].
        statistics: [2, C], mean and variance, used as constants; None: those of the T rows, as in batch normalisation.
        then: [O, C], the weight of a linear layer that follows; out is then its product [T, O]. Training does not store the
            array in between: the gradient computes it again.
    Returns: (out [T, C], statistics [2, C]), with biased variance. Gradients to x, tables, weight, bias and then.
    Raises: ValueError for a wrong rank, size or dtype.
    """
    check.var("x", x, rank=2)
    dtype, (total, channels) = str(x.dtype), x.shape
    tables = list(tables)
    if not 1 <= len(tables) <= MAX_TABLES:
        raise ValueError(f"tables: expected 1 to {MAX_TABLES}, got {len(tables)}")
    for i, table in enumerate(tables):
        check.var(f"tables[{i}]", table, rank=2, last=channels, dtypes=(dtype,))
    check.var("rows", rows, rank=2, last=total, dtypes=("int32",))
    if rows.shape[0] != len(tables):
        raise ValueError(f"rows: expected {len(tables)} rows, one for each table, got shape {list(rows.shape)}")
    measure = statistics is None
    if measure:
        statistics = jt.zeros((2, channels))
    norm_params = (v.cast(box_dtype(dtype)) for v in (weight, bias, statistics))
    if then is not None:
        check.var("then", then, rank=2, last=channels, dtypes=(dtype,))
    return _AddNormRelu.apply(x, rows, *norm_params, float(eps), measure, then, *tables)


class _AddNormRelu(jt.Function):
    def execute(self, x, rows, weight, bias, statistics, eps, measure, then, *tables):
        total, channels = x.shape
        self.dtype, self.tables = str(x.dtype), [tuple(t.shape) for t in tables]
        norm_dtype = box_dtype(self.dtype)
        self.sizes = dict(total=total, channels=channels, added=len(tables), eps=eps, measure=measure)
        keep = not jt.flags.no_grad
        chunks = _CHUNKS if runs_cuda_files() else 1
        outputs = [
            ((total, channels), self.dtype),
            ((total, channels) if keep else (1, 1), self.dtype),
            ((2, channels), norm_dtype),
            ((chunks, 2 * channels), norm_dtype),
        ]
        inputs = [x, list(tables), rows, weight, bias, statistics]
        out, sums, measured, _ = run("add_norm_relu", "forward", inputs, outputs, **self.sizes, keep=keep)
        self.saved, self.then = (sums, rows, weight, bias, measured), then
        return out if then is None else product(out, then, False, True), measured

    def _again(self):
        """The output before `then`, from the saved arrays: without tables, with known statistics."""
        sums, rows, weight, bias, measured = self.saved
        outputs = [(tuple(sums.shape), self.dtype), ((1, 1), self.dtype)]
        outputs += [(tuple(measured.shape), str(measured.dtype)), ((1, 1), str(measured.dtype))]
        inputs = [sums, [sums], rows, weight, bias, measured]
        sizes = dict(self.sizes, added=0, measure=False, keep=False)
        return run("add_norm_relu", "forward", inputs, outputs, **sizes)[0]

    def grad(self, dout, _):
        s, dthen = self.sizes, None
        if self.then is not None:
            dout, dthen = product(dout, self.then, False, False), product(dout, self._again(), True, False)
        shape, norm_dtype, scratch = (s["total"], s["channels"]), box_dtype(self.dtype), runs_cuda_files()
        outputs = [
            (shape, self.dtype),
            [(t, self.dtype) for t in self.tables],
            ((s["channels"],), norm_dtype),
            ((s["channels"],), norm_dtype),
            ((_CHUNKS if scratch else 1, 2 * s["channels"]), norm_dtype),
            [(t if scratch else (1, 1), "int64") for t in self.tables],
            ((1,), "int32"),
        ]
        table_rows = [t[0] for t in self.tables]
        results = run("add_norm_relu", "backward", [dout, *self.saved], outputs, **s, sizes=table_rows)
        dtables = results[1 : 1 + len(self.tables)]
        dweight, dbias = results[1 + len(self.tables) : 3 + len(self.tables)]
        return (results[0], None, dweight, dbias, None, None, None, dthen) + tuple(dtables)
