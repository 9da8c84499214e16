"""Multi-head scaled dot-product attention (Vaswani et al. 2017), with optional terms added to its logits.

The logits of all queries and keys are never stored at once, neither forward nor backward: the backward computes them again,
block by block, from the logarithm of each query's sum of exponentials (Dao et al. 2022). Tokens keep the layout of linear
layers, [B, N, heads * D]: heads are not transposed to the front.
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run, runs_cuda_files
from jsra.ops.scatter import box_dtype

MAX_DEPTH = 128  # largest number of channels per head: the CUDA kernels keep them in registers


def attention(q, k, v, bias=None, mask=None, scale=None) -> jt.Var:
    """out[n] = sum over m of softmax_m(q[n] . k[m] * scale + bias + mask) * v[m], for each batch item and head.

    Args:
        q: [B, N, H, D], D at most 128. k, v: [B, M, H, D], M at least 1.
        bias: [H, N, M], the same for the whole batch: Swin's table of relative positions. None: 0.
        mask: [W, N, M] of finite numbers, W a divisor of B; batch item b uses mask[b % W]. For Swin's shifted windows: the
            windows of an image follow each other. It has no gradient. None: 0.
        scale: number; None: D ** -0.5.
    Returns: [B, N, H, D]. Gradients to q, k, v and bias.
    Raises: ValueError for a wrong rank, dtype or size.
    Source: torch.nn.functional.scaled_dot_product_attention, where the heads come before the tokens.
    """
    dtype = str(check.var("q", q, rank=4).dtype)
    batch, queries, heads, depth = q.shape
    for name, value in (("k", k), ("v", v)):
        check.var(name, value, rank=4, last=depth, dtypes=(dtype,))
        if [value.shape[0], value.shape[2]] != [batch, heads] or value.shape[1] != k.shape[1] or k.shape[1] == 0:
            raise ValueError(f"{name}: expected shape [{batch}, M, {heads}, {depth}], M above 0, got {list(value.shape)}")
    keys = k.shape[1]
    if depth > MAX_DEPTH:
        raise ValueError(f"q: heads of at most {MAX_DEPTH} channels, got shape {list(q.shape)}")
    for name, value, count in (("bias", bias, heads), ("mask", mask, None)):
        if value is None:
            continue
        check.var(name, value, rank=3)
        first = value.shape[0]
        if list(value.shape[1:]) != [queries, keys] or (first != count if count else first == 0 or batch % first):
            wanted = count or f"a divisor of {batch}"
            raise ValueError(f"{name}: expected shape [{wanted}, {queries}, {keys}], got {list(value.shape)}")
    # A missing argument is replaced by a Var of its rank that is not read, so that one compiled kernel serves all cases.
    nothing = jt.zeros((1, 1, 1))
    added = (nothing if value is None else value for value in (bias, mask))
    bias_var, mask_var = (value.cast(box_dtype(dtype)) for value in added)
    sizes = dict(
        batch=batch, queries=queries, keys=keys, heads=heads, depth=depth, masks=0 if mask is None else mask.shape[0],
        has_bias=bias is not None, scale=depth**-0.5 if scale is None else float(scale),
    )  # fmt: skip
    return _Attention.apply(q, k, v, bias_var, mask_var, sizes)


class _Attention(jt.Function):
    def execute(self, q, k, v, bias, mask, sizes):
        self.sizes, dtype = sizes, str(q.dtype)
        logs = (sizes["batch"], sizes["heads"], sizes["queries"]), box_dtype(dtype)
        inputs = [q, k, v, bias, mask]
        out, logs = run("attention", "forward", inputs, [(tuple(q.shape), dtype), logs], **sizes)
        self.saved = [*inputs, out, logs]
        return out

    def grad(self, dout):
        q, k, v, bias, _, _, logs = self.saved
        scratch = tuple(logs.shape) if runs_cuda_files() else (1, 1, 1)
        outputs = [(tuple(x.shape), str(x.dtype)) for x in (q, k, v, bias)] + [(scratch, str(logs.dtype))]
        dq, dk, dv, dbias, _ = run("attention", "backward", [dout, *self.saved], outputs, **self.sizes)
        return dq, dk, dv, dbias if self.sizes["has_bias"] else None, None, None
