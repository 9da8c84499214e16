"""What gpu_check.py runs, continued: the operators on packed rows, beside PyTorch."""

from __future__ import annotations

import torch
from gpu_operators import DTYPES, Case, moved, operator


class Rows:
    """`count` segments of 1 to 64 rows: offsets [count + 1], owner [total] and place [total] of each row."""

    def __init__(self, machine, count):
        lengths = torch.randint(1, 65, (count,))
        self.count, self.total, self.lengths = count, int(lengths.sum()), lengths.to(machine.device)
        self.offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]).int().to(machine.device)
        self.owner = torch.arange(count).repeat_interleave(lengths).to(machine.device)
        self.place = torch.arange(self.total, device=machine.device) - self.offsets[self.owner].long()


def leaf(tensor):
    return tensor.float().clone().requires_grad_()


def autograd(function, leaves, dout):
    """(forward, backward) of a differentiable function of leaves."""

    def forward():
        with torch.no_grad():
            return [function()]

    return forward, lambda: list(torch.autograd.grad(function(), leaves, dout.float()))


@operator
def segment(machine, dtype):
    library, kind = machine.library("segment"), DTYPES[dtype]
    rows, channels = Rows(machine, 2000 if not machine.stand_in else 6), 256 if not machine.stand_in else 24
    values, dout = machine.random((rows.total, channels), kind), machine.random((rows.count, channels), kind)
    x = leaf(values)
    for maximum in (False, True):
        scalars = dict(count=rows.count, channels=channels, maximum=maximum)
        shape = (rows.count, channels)
        row_shape = shape if maximum else (1, 1)

        def run(scalars=scalars, shape=shape, row_shape=row_shape):
            outputs = [(shape, kind), (row_shape, torch.int32)]
            return library.run("forward", [values, rows.offsets], outputs, **scalars)

        def backward(row=run()[1], scalars=scalars):
            return library.run("backward", [dout, rows.offsets, row], [(tuple(values.shape), kind)], **scalars)

        def peer(maximum=maximum, shape=shape):
            if maximum:
                index = rows.owner[:, None].expand_as(x)
                return torch.zeros(shape, device=x.device).scatter_reduce(0, index, x, "amax", include_self=False)
            return torch.zeros(shape, device=x.device).index_add(0, rows.owner, x) / rows.lengths[:, None]

        peer_forward, peer_backward = autograd(peer, [x], dout)
        if maximum and dtype != "float32":
            peer_backward = None  # equal values are frequent in 16 bits: there PyTorch shares the gradient out
        name = f"{rows.count} segments, {'maximum' if maximum else 'mean'}"
        bytes_ = dict.fromkeys(("forward", "backward"), moved([values, dout]))
        yield Case(name, lambda run=run: run()[:1], peer_forward, backward, peer_backward, bytes_)


@operator
def segment_matmul(machine, dtype):
    """Against a batched product of segments padded to 64 rows."""
    library, kind = machine.library("segment_matmul"), DTYPES[dtype]
    rows = Rows(machine, 2000 if not machine.stand_in else 6)
    n, width = (49, 64) if not machine.stand_in else (5, 9)
    a, b = machine.random((rows.total, width), kind), machine.random((rows.count, n, width), kind)
    dout, scalars = machine.random((rows.total, n), kind), dict(count=rows.count, n=n, width=width)
    leaves = [leaf(a), leaf(b)]

    def forward():
        return library.run("forward", [a, b, rows.offsets], [((rows.total, n), kind)], **scalars)

    def backward():
        outputs = [(tuple(a.shape), kind), (tuple(b.shape), kind)]
        return library.run("backward", [dout, a, b, rows.offsets], outputs, **scalars)

    def peer():
        padded = torch.zeros((rows.count, 64, width), device=a.device).index_put((rows.owner, rows.place), leaves[0])
        return (padded @ leaves[1].transpose(1, 2))[rows.owner, rows.place]

    bytes_ = dict(forward=moved([a, b, dout]), backward=moved([a, b, dout, a, b]))
    peer_forward, peer_backward = autograd(peer, leaves, dout)
    yield Case(f"{rows.count} segments, {n} x {width}", forward, peer_forward, backward, peer_backward, bytes_)


@operator
def masked_sum(machine, dtype):
    """Against a softmax and a batched product of segments padded to 64 rows, as one writes it in PyTorch."""
    library, kind = machine.library("masked_sum"), DTYPES[dtype]
    rows = Rows(machine, 2000 if not machine.stand_in else 6)
    (n, channels), gamma = (49, 256) if not machine.stand_in else (9, 24), 5.0
    logits, features = machine.random((rows.total, n), kind), machine.random((rows.total, channels), kind)
    dout = machine.random((rows.count, n, channels), kind)
    scalars = dict(count=rows.count, n=n, channels=channels, gamma=gamma, channels_first=0)
    outputs = [((rows.count, n, channels), kind), ((rows.total, n), torch.float32)]
    masks = library.run("forward", [logits, features, rows.offsets], outputs, **scalars)[1]
    leaves = [leaf(logits), leaf(features)]

    def forward():
        return library.run("forward", [logits, features, rows.offsets], outputs, **scalars)[:1]

    def backward():
        results = [((rows.total, n), kind), ((rows.total, channels), kind), ((rows.total, n), torch.float32)]
        inputs = [dout, masks, masks, features, rows.offsets]
        return library.run("backward", inputs, results, **scalars, has_dmasks=0)[:2]

    def peer():
        at, device = (rows.owner, rows.place), dout.device
        padded = torch.full((rows.count, 64, n), float("-inf"), device=device).index_put(at, leaves[0] * gamma)
        values = torch.zeros((rows.count, 64, channels), device=device).index_put(at, leaves[1])
        return padded.softmax(1).transpose(1, 2) @ values

    peer_forward, peer_backward = autograd(peer, leaves, dout)
    bytes_ = dict(
        forward=moved([logits, features, dout, masks]), backward=moved([dout, masks, features, logits, features])
    )
    yield Case(f"{rows.count} RoIs, {n} masks", forward, peer_forward, backward, peer_backward, bytes_)


@operator
def add_norm_relu(machine, dtype):
    """The backward is compared from the sums that the forward kept, in 16 bits: so both see the same side of the ReLU."""
    library, kind = machine.library("add_norm_relu"), DTYPES[dtype]
    rows, channels = Rows(machine, 2000 if not machine.stand_in else 6), 256 if not machine.stand_in else 24
    chunks, eps, total = 64, 1e-5, rows.total
    x, table = machine.random((total, channels), kind), machine.random((rows.count, channels), kind)
    weight, bias = machine.random((channels,)), machine.random((channels,))
    owner, dout = rows.owner.int()[None].contiguous(), machine.random((total, channels), kind)
    statistics = torch.zeros((2, channels), device=machine.device)
    scalars = dict(total=total, channels=channels, added=1, eps=eps, measure=1)
    partial = ((chunks, 2 * channels), torch.float32)

    def run():
        rows_out = ((total, channels), kind)
        outputs = [rows_out, rows_out, ((2, channels), torch.float32), partial]
        return library.run("forward", [x, [table], owner, weight, bias, statistics], outputs, **scalars, keep=1)

    _, kept, measured, _ = run()

    def backward():
        line, whole = ((channels,), torch.float32), tuple(table.shape)
        outputs = [((total, channels), kind), [(whole, kind)], line, line, partial, [(whole, torch.int64)]]
        inputs = [dout, kept, owner, weight, bias, measured]
        sizes = dict(sizes=[table.shape[0]])
        return library.run("backward", inputs, [*outputs, ((1,), torch.int32)], **scalars, **sizes)[:4]

    def normalised(s, weight, bias):
        variance, mean = torch.var_mean(s, 0, correction=0)
        return torch.relu(weight * (s - mean) / torch.sqrt(variance + eps) + bias)

    leaves = [leaf(kept), leaf(weight), leaf(bias)]

    def peer_backward():
        ds, dweight, dbias = torch.autograd.grad(normalised(*leaves), leaves, dout.float())
        dtable = torch.zeros(table.shape, device=ds.device).index_add(0, rows.owner, ds)
        return [ds, dtable, dweight, dbias]

    def peer_forward():
        return [normalised(x.float() + table.float()[rows.owner], weight, bias)]

    bytes_ = dict(forward=moved([x, table, kept, dout]), backward=moved([dout, kept, x, table]))
    yield Case(f"{total} rows", lambda: run()[:1], peer_forward, backward, peer_backward, bytes_)


@operator
def is_finite(machine, dtype):
    library, kind = machine.library("is_finite"), DTYPES[dtype]
    x = machine.random((1 << (24 if not machine.stand_in else 8),), kind)
    x[:3] = torch.tensor([float("nan"), float("inf"), float("-inf")])

    def forward():
        return library.run("forward", [x], [(tuple(x.shape), torch.bool)], count=x.numel())

    bytes_ = dict(forward=x.numel() * (x.element_size() + 1))
    yield Case(f"{x.numel()} numbers", forward, lambda: [torch.isfinite(x)], bytes=bytes_, tolerance=0.0)
