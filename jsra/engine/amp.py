"""Mixed precision on the GPU: convolutions and fully connected layers in 16 bits, everything else in float32.

Jittor's own switch (auto_mixed_precision_level) converts parameters to float16, and sums overflow. Here parameters,
normalisation, sampling and losses stay float32; a Conv or Linear casts its input and weight, accumulates in float32 and
returns float32, and Jittor fuses the casts with neighbouring operations. The loss is scaled so that small gradients are not
lost in float16; if gradients overflow, the step is skipped and the scale is reduced.
"""

from __future__ import annotations

import math

import jittor as jt
from jittor import nn

from jsra.registry import ConfigError

_LAYERS = (nn.Conv, nn.ConvTranspose, nn.Linear)


def enable(model, optimizer, dtype="float16", **scaler):
    """Switch a model and its optimiser to mixed precision; called for `amp = dict(...)` in a config.

    Args:
        dtype: 'float16', or 'bfloat16', which has the range of float32 and needs no scaling (a fixed scale of 1).
        scaler: settings of LossScaler.
    Returns: (model, optimiser with the interface that the engine uses).
    Raises: ConfigError for an unknown dtype or setting, or without a GPU.
    """
    if dtype not in ("float16", "bfloat16"):
        raise ConfigError(f"amp.dtype: expected 'float16' or 'bfloat16', got {dtype!r}")
    if not jt.flags.use_cuda:
        raise ConfigError(
            "amp needs a GPU (16-bit layers are 1000 times slower on the CPU, or missing): remove amp from the config; "
            "`jsra doctor` says why there is no GPU"
        )
    if dtype == "bfloat16":
        scaler = {"scale": 1.0, "growth_interval": 0, **scaler}
    try:
        scaler = LossScaler(**scaler)
    except TypeError as error:
        raise ConfigError(f"amp: {error}; known: dtype, scale, growth, backoff, growth_interval") from None
    return halve_layers(model, dtype), ScaledOptimizer(optimizer, scaler)


def halve_layers(model, dtype: str):
    """Make every Conv, ConvTranspose and Linear of a model compute in `dtype`; returns the model.

    Depth-wise convolutions are skipped: they are not matrix products, and Jittor's kernel for them needs float32.
    """
    for layer in model.modules():
        if isinstance(layer, _LAYERS) and not getattr(layer, "is_depthwise_conv", False):
            layer.execute = _InHalf(layer, dtype)
    return model


class _InHalf:
    """Replaces the execute of a layer: input and weight are cast; the bias is added in float32."""

    def __init__(self, layer, dtype):
        self.layer, self.dtype, self.full = layer, dtype, type(layer).execute

    def __call__(self, x):
        layer = self.layer
        weight, bias = layer.weight, layer.bias
        layer.weight, layer.bias = weight.cast(self.dtype), None
        try:
            y = self.full(layer, x.cast(self.dtype)).cast("float32")
        finally:
            layer.weight, layer.bias = weight, bias
        if bias is None:
            return y
        return y + (bias if isinstance(layer, nn.Linear) else bias.reshape(1, -1, 1, 1))


class LossScaler:
    """The factor of the loss: it is reduced when gradients overflow and increased while they do not.

    scale: its initial value; after `growth_interval` good steps in a row (0: never) it is multiplied by growth, after an
    overflow by backoff; it is never below 1.
    """

    def __init__(self, scale=2.0**16, growth=2.0, backoff=0.5, growth_interval=2000):
        numbers = all(isinstance(v, (int, float)) and math.isfinite(v) for v in (scale, growth, backoff))
        whole = isinstance(growth_interval, int) and growth_interval >= 0
        if not (numbers and whole and scale >= 1 and growth > 1 and 0 < backoff < 1):
            raise ConfigError(
                "amp: expected finite numbers scale >= 1, growth > 1 and 0 < backoff < 1, and a whole number "
                f"growth_interval >= 0, not {scale!r}, {growth!r}, {backoff!r} and {growth_interval!r}"
            )
        self.scale, self.growth, self.backoff = float(scale), float(growth), float(backoff)
        self.growth_interval, self.good_steps = int(growth_interval), 0

    def update(self, finite: bool):
        """Change the scale after a step; finite: whether its gradients were finite."""
        if not finite:
            self.scale, self.good_steps = max(self.scale * self.backoff, 1.0), 0
            return
        self.good_steps += 1
        if self.growth_interval and self.good_steps == self.growth_interval:
            self.scale, self.good_steps = self.scale * self.growth, 0


class ScaledOptimizer:
    """An optimiser of jsra.engine.optimizer whose `step` scales the loss; everything else is passed to that optimiser.

    overflows: number of steps in a row that were skipped.
    """

    # After so many in a row the loss itself must be wrong: the scale has reached 1 and cannot be reduced further.
    most_overflows = 50

    def __init__(self, optimizer, scaler: LossScaler):
        self.optimizer, self.scaler, self.overflows = optimizer, scaler, 0

    def __getattr__(self, name):
        return getattr(self.optimizer, name)

    def step(self, loss) -> bool:
        """Take one step on a float32 loss; returns whether the weights were changed.

        Raises FloatingPointError after 50 overflows in a row.
        """
        optimizer, scale = self.optimizer, self.scaler.scale
        optimizer.backward(loss * scale)
        gradients = [g for group in optimizer.param_groups for g in group["grads"]]
        # With MPI the gradients are means over the processes, so all processes make the same decision. Python checks a sum of
        # squares, because compiled comparisons with infinity are optimised away on some devices.
        norm = float(jt.concat([(g * (1.0 / scale)).sqr().sum().reshape(1) for g in gradients]).sum().numpy()[0])
        finite = math.isfinite(norm)
        self.scaler.update(finite)
        if finite:
            for g in gradients:
                g.update(g * (1.0 / scale))
            optimizer.step()
            self.overflows = 0
            return True
        optimizer.zero_grad()
        optimizer.n_step -= 1  # Adam's bias correction counts only steps that changed the weights
        self.overflows += 1
        if self.overflows == self.most_overflows:
            raise FloatingPointError(
                f"mixed precision: the gradients overflowed {self.overflows} times in a row, the last time with loss scale "
                f"{scale:g}; train without amp, or with amp=dict(dtype='bfloat16')"
            )
        return False

    def state(self) -> dict:
        """The optimiser's state and the scale."""
        scaler = jt.array([self.scaler.scale, float(self.scaler.good_steps)]).stop_grad()
        return {**self.optimizer.state(), "loss_scaler": scaler}

    def load_state(self, arrays: dict, n_step: int):
        """Restore a state from `state()`, or from an optimiser without mixed precision."""
        arrays = dict(arrays)
        scaler = arrays.pop("loss_scaler", None)
        self.optimizer.load_state(arrays, n_step)
        if scaler is not None:
            self.scaler.scale, self.scaler.good_steps = float(scaler[0]), int(scaler[1])
