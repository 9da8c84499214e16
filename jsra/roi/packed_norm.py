"""Batch normalisation of packed positions [T, C]; the fast form of SRA can normalise groups of channels separately."""

from __future__ import annotations

import jittor as jt

from jsra.ops.add_norm_relu import add_norm_relu
from jsra.ops.linear import linear
from jsra.runtime.distributed import all_reduce, world_size


class PackedBatchNorm(jt.nn.BatchNorm):
    """jt.nn.BatchNorm over the rows of [T, C], with the same names: weight, bias, running_mean and running_var.

    It differs from Jittor's in three points. The variance is computed from the deviations from the mean (Jittor's difference
    of two means loses digits). running_var uses the unbiased variance, as in PyTorch, because weights are exchanged with
    PyTorch ports. Under MPI the rows of all processes have equal weight; without any rows (no RoIs in a batch) the running
    statistics do not change.
    """

    def execute(self, x):
        mean, variance = self.running_mean, self.running_var
        if self.is_train:
            mean, variance, count = self.moments(x)
            self.update_running(mean, variance, count)
        return normalise(x, mean, variance, self.weight, self.bias, self.eps)

    def part_relu(self, columns, x, tables, rows, then):
        """The product of relu(norm(s)) with the weight `then` [O, .], for some of the channels; s = x + the rows of `tables`,
        as in jsra.ops.add_norm_relu.add_norm_relu.

        columns: the slice of this norm's channels that s contains. Returns (out, moments); moments are (mean, variance,
        count) for `update_running`, or None in evaluation.
        """
        weight, bias = self.weight[columns], self.bias[columns]
        if not self.is_train:
            statistics = jt.stack([self.running_mean[columns], self.running_var[columns]])
            return add_norm_relu(x, tables, rows, weight, bias, statistics, self.eps, then)[0], None
        if self.sync and world_size() > 1:
            for i, table in enumerate(tables):
                x = x + table[rows[i]]
            moments = self.moments(x)
            return linear(jt.nn.relu(normalise(x, *moments[:2], weight, bias, self.eps)), then), moments
        out, measured = add_norm_relu(x, tables, rows, weight, bias, eps=self.eps, then=then)
        return out, (measured[0], measured[1], jt.array([float(x.shape[0])]).cast(str(measured.dtype)))

    def repeated_relu(self, columns, x, repeats):
        """(relu(norm(x)), moments as in part_relu) for some of the channels. Row i of x [K, C] represents repeats[i] equal
        rows (a float Var)."""
        weight, bias = self.weight[columns], self.bias[columns]
        mean, variance, moments = self.running_mean[columns], self.running_var[columns], None
        if self.is_train:
            moments = mean, variance, _ = self.moments(x, repeats)
        return jt.nn.relu(normalise(x, mean, variance, weight, bias, self.eps)), moments

    def moments(self, x, repeats=None):
        """Mean [C], variance [C] and number [1] of the rows of x; row i is counted repeats[i] times (a float Var)."""
        # All numbers get the dtype of x: in Jittor float32 times float64 is float32.
        repeats = None if repeats is None else repeats.cast(str(x.dtype))
        weighted = x if repeats is None else x * repeats.unsqueeze(1)
        count = jt.array([float(x.shape[0])]).cast(str(x.dtype)) if repeats is None else repeats.sum()
        total = weighted.sum(0)
        if self.sync and world_size() > 1:
            joint = all_reduce(jt.concat([total, count]))
            total, count = joint[:-1], joint[-1:]
        count = count.detach()
        some = jt.maximum(count, jt.ones_like(count))
        mean = total / some
        deviation = x - mean
        squares = deviation * deviation
        squares = squares if repeats is None else squares * repeats.unsqueeze(1)
        squares = squares.sum(0)
        return mean, (all_reduce(squares) if self.sync else squares) / some, count

    def update_running(self, mean, variance, count):
        """Move the running statistics towards the mean and biased variance of `count` rows; no change if count is 0."""
        some = (count > 0).cast(str(count.dtype)) * self.momentum
        unbiased = variance * (count / jt.maximum(count - 1, jt.ones_like(count)))
        for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.update((running + (new.detach() - running) * some).cast(str(running.dtype)))


def normalise(x, mean, variance, weight, bias, eps):
    """weight * (x - mean) / sqrt(variance + eps) + bias, computed so that x is read only once."""
    scale = weight / jt.sqrt(variance + eps)
    return x * scale + (bias - mean * scale)
