"""FLOPs of a layer, of a kernel, and of module types that the papers count in another way than the code computes them.

Shape letters: K RoIs, M positions per RoI, C channels, N masks, T positions of all RoIs.
"""

from __future__ import annotations

import math

from jittor import nn

_BY_TYPE = {}


def formula(*names):
    """Decorator: the papers' count of modules of these class names, f(module, args, out) -> FLOPs."""

    def add(function):
        _BY_TYPE.update(dict.fromkeys(names, function))
        return function

    return add


def of(module):
    """The formula of a module's class or of the nearest class it derives from, or None."""
    return next((_BY_TYPE[c.__name__] for c in type(module).__mro__ if c.__name__ in _BY_TYPE), None)


NORMS = (nn.BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm)


def of_layer(module, args, out):
    """FLOPs of a convolution, a linear layer or a norm by its sizes; None for any other module."""
    if isinstance(module, nn.Conv):
        return math.prod(out.shape) * math.prod(module.weight.shape[1:])
    if isinstance(module, nn.ConvTranspose):
        return math.prod(args[0].shape) * math.prod(module.weight.shape[1:])
    if isinstance(module, nn.Linear):
        return math.prod(out.shape) * module.weight.shape[1]
    if isinstance(module, NORMS):
        return 2 * math.prod(out.shape)
    return None


# Kernels that only sample, select or rearrange, and activations: neither count includes them.
SAMPLING = (
    "roi_align", "roi_pool", "dynamic_sampler", "precise_roi_pool", "adaptive_roi_align", "deform_roi_pool",
    "roi_align_rotated", "ps_roi_align", "ps_roi_pool", "nms", "box_iou", "roi_levels", "packing", "gelu",
    "deform_conv2d", "ms_deform_attn", "anchor_grid",
)  # fmt: skip


def of_kernel(op, name, inputs, outputs, scalars):
    """FLOPs of one kernel run, or None if they are not known."""
    if op in SAMPLING or op == "fused_conv":  # fused_conv is run by conv2d, which is counted itself
        return 0
    if op == "masked_sum" and name.startswith("forward"):
        logits, features = inputs[:2]
        return math.prod(logits.shape) * features.shape[-1]
    if op == "segment" and name == "forward":  # a mean: one addition per element; a maximum: none
        return math.prod(inputs[0].shape)
    if op == "segment_matmul" and name == "forward":
        return math.prod(inputs[0].shape) * inputs[1].shape[1]
    if op in ("add_norm_relu", "layer_norm") and name == "forward":
        return 2 * math.prod(outputs[0][0])
    if op == "attention" and name == "forward":
        return 2 * math.prod(inputs[0].shape) * scalars["keys"]
    if op == "bmm":
        return math.prod(outputs[0][0]) * scalars["depth"]
    if op == "depthwise_conv2d" and name == "forward":
        return math.prod(outputs[0][0]) * math.prod(scalars["taps"])
    return None


@formula("SemanticRoIAlign")
def semantic_roi_align(module, args, out):
    """The direct form: every RoI has max_area positions (or its fixed grid), and the full z is computed at each of them; the
    mean of Linear(F) is computed as Linear of the mean, once per RoI."""
    rois = out.shape[0]
    positions = module.grid[0] * module.grid[1] if module.grid else module.max_area
    per_position = weights(module.fc1) + weights(module.fc2) + module.num_masks * module.in_channels
    per_position += 2 * (module.fc1.weight.shape[1] + module.fc2.weight.shape[1])  # norm1, norm2
    per_roi = 0
    if module.semantic_on:
        per_position += weights(module.semantic)
    if module.descriptor_kind == "max":
        per_position += weights(module.descriptor)
    elif module.descriptor_kind != "none":
        per_roi = weights(module.descriptor)
    return rois * (positions * per_position + per_roi)


@formula("AttentionFPN")
def attention_fpn(module, args, out):
    """Without pooling and upsampling, which the code computes as matrix products."""
    flops = 0
    for i, (lateral, last) in enumerate(zip(module.lateral_convs, module.fpn_convs)):
        batch, channels, height, width = out[i].shape
        cells = batch * height * width
        flops += cells * (weights(lateral) + weights(last))
        if i in module.attention_levels:
            part = getattr(module, f"attention{i}")
            keys, norms = part.num_keys(height, width), 1 if part.norm_source is None else 2
            mlp = weights(part.mlp.fc1) + weights(part.mlp.fc2) + math.prod(part.mlp.conv_weight.shape)
            flops += cells * (weights(part.q) + mlp + 2 * keys * channels + 2 * norms * channels)
            flops += batch * keys * (weights(part.k) + weights(part.v))
    return flops


@formula("LearnedRegionFeatures")
def learned_region_features(module, args, out):
    """Table 1 of the paper, with the number of positions that these RoIs have on these maps."""
    import numpy as np

    from jsra.ops import check
    from jsra.roi.learned_region import Positions

    features, rois, spatial_scale, levels = (*args, None)[:4]
    maps, scales, levels = check.pyramid(features, spatial_scale, levels, rois.shape[0])
    shapes = [m.shape[2:] for m in maps]
    boxes, batches = rois.numpy().astype(np.float64), maps[0].shape[0]
    positions = Positions(module, boxes, scales, shapes, levels.numpy(), batches).total
    return sum(learned_region_terms(module, rois.shape[0], sum(h * w for h, w in shapes), positions).values())


def learned_region_terms(module, rois: int, cells: int, positions: int) -> dict:
    """The paper's terms P1 to P5. cells: number of cells of all maps; positions: number of positions of all RoIs."""
    per_position = positions * module.num_parts
    geometry, appearance = module.geometry_on, module.appearance_on
    return {
        "P1": cells * weights(module.image_embed) if geometry else 0,
        "P2": rois * (weights(module.box_embed) + weights(module.box_parts)) if geometry else 0,
        "P3": per_position * module.geometry_channels if geometry else 0,
        "P4": cells * weights(module.appearance) if appearance else 0,
        "P5": per_position * module.in_channels,
    }


def learned_region_columns(model, settings: dict) -> dict:
    """{P1 ... P5, gflops} of the model's extractor under the conditions of the paper's table 1, in its unit, 2^30 FLOPs.

    Conditions: 300 RoIs and one map of 38 x 63 cells (600 x 1000 pixels at stride 16). settings: those of a row, with
    `positions`, the average number of positions per RoI.
    """
    layer = next(m for m in model.modules() if type(m).__name__ == "LearnedRegionFeatures")
    terms = learned_region_terms(layer, 300, 38 * 63, 300 * settings["positions"])
    terms["gflops"] = sum(terms.values())
    return {name: flops / 2**30 for name, flops in terms.items()}


def weights(layer) -> int:
    """The multiplications of a linear layer, or of a convolution at one position."""
    return math.prod(layer.weight.shape)
