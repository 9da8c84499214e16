"""Parameter groups: which parameters are trained, and their multipliers of learning rate and weight decay."""
from __future__ import annotations

import math

from jsra.registry import ConfigError, register


def trainable(model) -> list:
    """[(name, Var)] that an optimiser may change: no running statistics, no frozen parameters, shared parameters once.

    Jittor's parameters() also returns running statistics; these and frozen parameters are recognised by is_stop_grad.
    """
    found, seen = [], set()
    for name, parameter in model.named_parameters():
        if not parameter.is_stop_grad() and id(parameter) not in seen:
            seen.add(id(parameter))
            found.append((name, parameter))
    return found


@register("parameter_groups")
class ParameterGroups:
    """Rules by parameter name -> groups of (parameters, lr multiplier, weight decay multiplier).

    Args:
        no_decay: parameters whose name contains one of these strings get no weight decay.
        no_decay_1d: biases and all other parameters with one axis get no weight decay either.
        rules: list of dict(match=str, lr_mult=1.0, decay_mult=1.0); all rules whose `match` is in the name are multiplied.
        layer_decay: None, or the factor per layer: parameters under layers[i] get lr x layer_decay ** (len(layers) - i),
            parameters under none of them (necks, heads) the full rate.
        layers: name prefixes from the input to the output, such as 'backbone.patch_embed', 'backbone.blocks.0', ...

    A rule or string without a matching parameter raises ConfigError (if must_match): it would silently change the recipe.
    Recipes: Swin no_decay=('absolute_pos_embed', 'relative_position_bias_table', 'norm'); ViT-Adapter ('level_embed',
    'pos_embed', 'norm', 'bias'); InternImage no_decay_1d=True with ('norm', 'relative_position', 'sampling_offsets').
    """

    def __init__(
        self,
        no_decay: tuple[str, ...] = (),
        no_decay_1d: bool = False,
        rules: tuple[dict, ...] = (),
        layer_decay: float | None = None,
        layers: tuple[str, ...] = (),
        must_match: bool = True,
    ):
        if "" in no_decay:
            raise ConfigError("ParameterGroups: an empty text in no_decay is in every name: write a part of a name")
        self.no_decay, self.no_decay_1d = tuple(no_decay), no_decay_1d
        self.rules = [_checked_rule(rule) for rule in rules]
        if (layer_decay is None) != (not layers):
            raise ConfigError("ParameterGroups: give both layer_decay and layers, or neither")
        self.layer_decay, self.layers, self.must_match = layer_decay, tuple(layers), must_match

    def multipliers(self, name: str, axes: int) -> tuple:
        """(lr multiplier, weight decay multiplier) of one parameter with `axes` axes."""
        lr, decay = 1.0, 1.0
        if any(word in name for word in self.no_decay) or (self.no_decay_1d and axes <= 1):
            decay = 0.0
        for match, lr_mult, decay_mult in self.rules:
            if match in name:
                lr, decay = lr * lr_mult, decay * decay_mult
        for i, prefix in enumerate(self.layers):
            if name == prefix or name.startswith(prefix + "."):
                lr *= self.layer_decay ** (len(self.layers) - i)
                break
        return lr, decay

    def groups(self, model) -> list:
        """A list with one dict(params, names, lr_mult, decay_mult) per pair of multipliers, in order of first appearance."""
        named = trainable(model)
        if self.must_match:
            self._check_matches([name for name, _ in named])
        grouped = {}
        for name, parameter in named:
            grouped.setdefault(self.multipliers(name, len(parameter.shape)), []).append((name, parameter))
        return [
            dict(params=[p for _, p in members], names=[n for n, _ in members], lr_mult=lr, decay_mult=decay)
            for (lr, decay), members in grouped.items()
        ]

    def _check_matches(self, names):
        for word in [*(rule[0] for rule in self.rules), *self.no_decay]:
            if not any(word in name for name in names):
                raise ConfigError(
                    f"parameter groups: {word!r} is in no name of a trained parameter (names are such as "
                    f"{', '.join(names[:3])}); correct it, or set must_match=False"
                )
        for prefix in self.layers:
            if not any(name == prefix or name.startswith(prefix + ".") for name in names):
                raise ConfigError(f"parameter groups: no trained parameter is in the layer {prefix!r}")


def _checked_rule(rule):
    match, factors = rule.get("match"), [rule.get(key, 1.0) for key in ("lr_mult", "decay_mult")]
    sound = isinstance(match, str) and match and not set(rule) - {"match", "lr_mult", "decay_mult"}
    if not sound or not all(isinstance(f, (int, float)) and not isinstance(f, bool) and 0 <= f < math.inf for f in factors):
        raise ConfigError(
            "ParameterGroups: a rule must be dict(match=TEXT, lr_mult=, decay_mult=) with factors of at least 0, got "
            f"{dict(rule)}"
        )
    return match, *factors
