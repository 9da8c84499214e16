"""Batch normalisation of packed positions [T, C], with what the fast form of SRA needs: statistics taken in parts."""

from __future__ import annotations

import jittor as jt


class PackedBatchNorm(jt.nn.BatchNorm):
    """jt.nn.BatchNorm over the rows of [T, C]; weight, bias, running_mean and running_var under the same names.

    Differs from Jittor's in three points. The variance is that of the deviations from the mean (Jittor's difference of
    two means loses digits). running_var takes the unbiased variance, as in PyTorch, with whose ports weights are
    exchanged. Under MPI the rows of all processes count alike, and no rows at all (no RoIs in a batch) leave the running
    statistics as they are.
    """

    def execute(self, x):
        scale, shift = self.scale_shift(*self.moments(x)) if self.is_train else self.frozen()
        return x * scale + shift

    def frozen(self):
        """Scale and shift [C] by the running statistics."""
        return self.scale_shift(self.running_mean, self.running_var)

    def scale_shift(self, mean, variance):
        """Scale and shift [C] that normalise by a mean and variance [C], and apply weight and bias."""
        scale = self.weight / jt.sqrt(variance + self.eps)
        return scale, self.bias - mean * scale

    def moments(self, x, repeats=None):
        """Mean and variance [C] of the rows of x, row i counted repeats[i] times (a float Var); updates the running ones."""
        weighted = x if repeats is None else x * repeats.unsqueeze(1)
        count = jt.array([float(x.shape[0])]) if repeats is None else repeats.sum()
        count = self._over_ranks(count).detach()
        some = jt.maximum(count, jt.ones_like(count))
        mean = self._over_ranks(weighted.sum(0)) / some
        deviation = x - mean
        squares = deviation * deviation
        squares = squares if repeats is None else squares * repeats.unsqueeze(1)
        variance = self._over_ranks(squares.sum(0)) / some
        self.update_running(mean, variance, count)
        return mean, variance

    def update_running(self, mean, variance, count):
        """Move the running statistics towards a mean and biased variance of `count` rows (Var [1]); not for no rows."""
        some = (count > 0).float32() * self.momentum
        unbiased = variance * (count / jt.maximum(count - 1, jt.ones_like(count)))
        for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.update((running + (new.detach() - running) * some).cast(str(running.dtype)))

    def _over_ranks(self, value):
        return value.mpi_all_reduce("add") if self.sync and jt.in_mpi else value
