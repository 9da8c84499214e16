"""Batch normalisation of packed positions [T, C], with what the fast form of SRA needs: statistics taken in parts."""

from __future__ import annotations

import jittor as jt

from jsra.ops.add_norm_relu import add_norm_relu
from jsra.ops.linear import linear
from jsra.runtime.distributed import all_reduce, world_size


class PackedBatchNorm(jt.nn.BatchNorm):
    """jt.nn.BatchNorm over the rows of [T, C]; weight, bias, running_mean and running_var under the same names.

    Differs from Jittor's in three points. The variance is that of the deviations from the mean (Jittor's difference of
    two means loses digits). running_var takes the unbiased variance, as in PyTorch, with whose ports weights are
    exchanged. Under MPI the rows of all processes count alike, and no rows at all (no RoIs in a batch) leave the running
    statistics as they are.
    """

    def execute(self, x):
        mean, variance = self.running_mean, self.running_var
        if self.is_train:
            mean, variance, count = self.moments(x)
            self.update_running(mean, variance, count)
        return normalise(x, mean, variance, self.weight, self.bias, self.eps)

    def part_relu(self, columns, x, tables, rows, then):
        """The product with `then` [O, .] of relu(norm(s)) of a part of the channels, s = x + the rows of `tables` (as
        jsra.ops.add_norm_relu.add_norm_relu).

        columns: the slice of this norm's channels that s has. Returns (out, moments), moments = (mean, variance, count) for
        `update_running`, or None in evaluation.
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
        """relu(norm(x)) of a part of the channels, and moments as part_relu has them, for rows x [K, C] that stand for
        repeats [K] (a float Var) equal rows each."""
        weight, bias = self.weight[columns], self.bias[columns]
        mean, variance, moments = self.running_mean[columns], self.running_var[columns], None
        if self.is_train:
            moments = mean, variance, _ = self.moments(x, repeats)
        return jt.nn.relu(normalise(x, mean, variance, weight, bias, self.eps)), moments

    def moments(self, x, repeats=None):
        """Mean, variance [C] and number [1] of the rows of x, row i counted repeats[i] times (a float Var)."""
        # Every number in the dtype of x: in Jittor float32 times float64 is float32.
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
        """Move the running statistics towards a mean and biased variance of `count` rows; not for no rows."""
        some = (count > 0).cast(str(count.dtype)) * self.momentum
        unbiased = variance * (count / jt.maximum(count - 1, jt.ones_like(count)))
        for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.update((running + (new.detach() - running) * some).cast(str(running.dtype)))


def normalise(x, mean, variance, weight, bias, eps):
    """weight * (x - mean) / sqrt(variance + eps) + bias, in the order that reads x once."""
    scale = weight / jt.sqrt(variance + eps)
    return x * scale + (bias - mean * scale)
