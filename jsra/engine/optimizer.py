"""SGD and AdamW: Jittor's update rules with clipping that reports the norm, multipliers per group and a state to save.

Both rules are those of PyTorch, but for SGD's dampening (tests/engine/test_optimizer.py compares them with the formulas).
This file corrects three points of Jittor: learning rates follow a schedule one step late, the state cannot be saved by
parameter name, and Adam's bias correction counts backward passes.
"""
from __future__ import annotations

import math

import jittor as jt
import numpy as np

from jsra.registry import ConfigError, register
from jsra.runtime.distributed import average


class _Saved:
    """The common part of SGD and AdamW. `slots`: {name in a file: key of the group's list of state Vars}."""

    slots = {}

    def _adopt(self, params, lr, weight_decay, grad_clip):
        """Groups (see ParameterGroups.groups) or a plain list of Vars -> Jittor groups with base rates."""
        params = list(params)
        if not params:
            raise ConfigError("the optimiser has no parameters: the whole model is frozen")
        groups = params if isinstance(params[0], dict) else [dict(params=params)]
        self._between("lr", lr, 0, math.inf)
        self._between("weight_decay", weight_decay, 0, math.inf)
        self.max_norm = _max_norm(grad_clip)
        self.base_lr, self.grad_norm = lr, None
        adopted = []
        for group in groups:
            kept = [i for i, p in enumerate(group["params"]) if not p.is_stop_grad()]
            adopted.append(
                dict(
                    params=[group["params"][i] for i in kept],
                    names=[group["names"][i] if "names" in group else f"{len(adopted)}.{i}" for i in kept],
                    lr_mult=group.get("lr_mult", 1.0),
                    lr=lr * group.get("lr_mult", 1.0),
                    weight_decay=weight_decay * group.get("decay_mult", 1.0),
                )
            )
        return adopted

    def _between(self, name, value, low, high):
        if not low <= value < high:
            limit = "and finite" if high == math.inf else f"and below {high}"
            raise ConfigError(f"{type(self).__name__}: {name} must be at least {low} {limit}, it is {value!r}")

    def set_lr_factor(self, factor: float):
        """Set every group to base rate x its multiplier x `factor`, for the next step."""
        self.lr = self.base_lr * factor
        for group in self.param_groups:
            group["lr"] = self.base_lr * group["lr_mult"] * factor

    def pre_step(self, loss, retain_graph=False):
        if loss is not None:
            # Jittor frees the arrays of an execution only at its end. If the forward is executed separately, each step of the
            # backward can free the arrays that are no longer needed.
            loss.sync()
        super().pre_step(loss, retain_graph)
        if self.max_norm is not None:
            self.clip()

    def backward(self, loss, retain_graph=False):
        """Jittor's backward, except that the mean over the processes has a fixed order among all sums over processes."""
        if not jt.in_mpi:
            return super().backward(loss, retain_graph)
        jt.in_mpi = False  # as within Jittor's single_process_scope; sums in the graph stay
        try:
            super().backward(loss, retain_graph)
        finally:
            jt.in_mpi = True
        gradients = [g for group in self.param_groups for g in group["grads"]]
        for gradient, mean in zip(gradients, average(gradients)):
            gradient.update(mean)

    def clip(self):
        """Scale all gradients together to a 2-norm of at most max_norm; `grad_norm` is the norm before scaling, a Var.

        Jittor's own clip_grad_norm first concatenates all gradients, which needs as much memory as the model.
        """
        gradients = [g for group in self.param_groups for g in group["grads"]]
        self.grad_norm = jt.concat([(g * g).sum().reshape(1) for g in gradients]).sum().sqrt()
        scale = jt.minimum(self.max_norm / (self.grad_norm + 1e-6), 1.0)
        for g in gradients:
            g.update(g * scale)

    def state(self) -> dict:
        """{'slot.parameter name': Var} of the running averages. The number of steps is `n_step`."""
        return {
            f"{slot}.{name}": var
            for group in self.param_groups
            for slot, key in self.slots.items()
            for name, var in zip(group["names"], group[key])
        }

    def load_state(self, arrays: dict, n_step: int):
        """Restore a state from `state()`, as NumPy arrays. Raises ValueError if the parameters are not the same."""
        current = self.state()
        if any(name.startswith("trained.") for name in arrays):
            raise ValueError("the checkpoint was made with ema; resume with the config that the run began with")
        if set(current) != set(arrays):
            differing = sorted(set(current) ^ set(arrays))
            raise ValueError(
                f"the saved optimiser state has other parameters: {len(differing)} differ, {', '.join(differing[:4])} ...; "
                "resume with the config that the run began with, or start a new run from its weights (pretrained_weights)"
            )
        for name, var in current.items():
            if tuple(var.shape) != arrays[name].shape:
                shapes = f"shape {arrays[name].shape}, the model's is {tuple(var.shape)}"
                raise ValueError(f"saved optimiser state {name}: {shapes}")
            var.update(jt.array(np.ascontiguousarray(arrays[name])))
        self.n_step = int(n_step)


def _max_norm(grad_clip):
    """The max_norm of grad_clip, or None without clipping."""
    if grad_clip is None:
        return None
    if not ({"max_norm"} <= set(grad_clip) <= {"max_norm", "norm_type"} and grad_clip.get("norm_type", 2) == 2):
        raise ConfigError(f"grad_clip must be dict(max_norm=...), with norm_type 2 only, got {dict(grad_clip)}")
    norm = grad_clip["max_norm"]
    if not isinstance(norm, (int, float)) or isinstance(norm, bool) or not 0 < norm < math.inf:
        raise ConfigError(f"grad_clip.max_norm must be a number above 0, it is {norm!r}")
    return float(norm)


@register("optimizer")
class SGD(_Saved, jt.optim.SGD):
    """g = gradient + weight_decay * p; v = momentum * v + (1 - dampening) * g; p = p - lr * v.

    With nesterov: p = p - lr * (g + momentum * v). PyTorch's rule, except that PyTorch has no dampening in the first step,
    and none without momentum. params: groups of ParameterGroups.groups, or a list of Vars. grad_clip:
    dict(max_norm=...), the largest 2-norm of all gradients together, or None.
    """

    slots = {"momentum": "values"}

    def __init__(
        self,
        params,
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        grad_clip: dict | None = None,
    ):
        self._between("momentum", momentum, 0, 1)
        self._between("dampening", dampening, 0, 1)
        if nesterov and (not momentum or dampening):
            raise ConfigError("SGD: nesterov needs a momentum above 0 and no dampening")
        groups = self._adopt(params, lr, weight_decay, grad_clip)
        super().__init__(groups, lr, momentum, weight_decay, dampening, nesterov)


@register("optimizer")
class AdamW(_Saved, jt.optim.AdamW):
    """Adam with decoupled weight decay: p = p * (1 - lr * weight_decay) - lr * m_hat / (sqrt(v_hat) + eps).

    betas: decay rates of the averages m of the gradient and v of its square. params, grad_clip: see SGD.
    """

    slots = {"exp_avg": "m", "exp_avg_sq": "values"}

    def __init__(
        self,
        params,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        grad_clip: dict | None = None,
    ):
        for name, beta in zip(("betas[0]", "betas[1]"), betas):
            self._between(name, beta, 0, 1)
        if not 0 < eps < math.inf:
            raise ConfigError(f"AdamW: eps must be above 0 and finite, it is {eps!r}")
        groups = self._adopt(params, lr, weight_decay, grad_clip)
        super().__init__(groups, lr, eps, tuple(betas), weight_decay)
