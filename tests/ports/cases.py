"""The cases for comparing the ports: settings of our layers, with small or their real widths, and the files of the ports."""

from __future__ import annotations

import glob
import os

from jsra.crosscheck.case import layer_settings
from jsra.resources import folder

PORTS = os.path.join(os.path.dirname(folder("jdet_configs")), "ports", "torch")
VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors")
SMALL = {
    "SemanticRoIAlign": dict(in_channels=5, descriptor_channels=6, semantic_channels=7, hidden_channels=10),
    "LearnedRegionFeatures": dict(in_channels=5, num_parts=4, embed_channels=12, geometry_channels=6),
    "ConvMasks": dict(in_channels=5, output_size=3, num_masks=4),
    "RoISelfAttention": dict(in_channels=6, output_size=(3, 4), num_heads=2, head_channels=5),
    "RoIAttention": dict(in_channels=4, output_size=3, num_tokens=6),
    "DeformRoIPoolPack": dict(in_channels=4, output_size=3, fc_channels=16),
    "ModulatedDeformRoIPoolPack": dict(in_channels=4, output_size=3, fc_channels=16),
    "RoITransformer": dict(in_channels=4, output_size=3),
    "AdaptiveRoIAlign": dict(output_size=3),
    "PreciseRoIAlign": dict(output_size=(3, 4)),
}
FILES = {
    "SemanticRoIAlign": "semantic_roi_align.py",
    "LearnedRegionFeatures": "learned_region_features.py",
    "ConvMasks": "conv_masks.py",
    "RoISelfAttention": "self_attention.py",
    "RoIAttention": "roi_attention.py",
    "DeformRoIPoolPack": "deform_roi_pool.py",
    "ModulatedDeformRoIPoolPack": "deform_roi_pool.py",
    "RoITransformer": "roi_transformer.py",
    "AdaptiveRoIAlign": "adaptive_roi_align.py",
    "PreciseRoIAlign": "precise_roi_align.py",
}
# Besides the defaults of each layer and the ablations of tables 2 to 5, which are configs.
OTHERS = (
    ("SemanticRoIAlign", dict(norm="layer")),
    ("SemanticRoIAlign", dict(sampling_ratio=2, grid=(2, 3))),
    ("SemanticRoIAlign", dict(form="straightforward")),
    ("LearnedRegionFeatures", dict(support="roi", max_inside=None)),
    ("LearnedRegionFeatures", dict(support="double", appearance=False)),
    ("LearnedRegionFeatures", dict(geometry=False, max_outside=20)),
    ("ConvMasks", dict(sampling_ratio=2)),
    ("RoIAttention", dict(depth=1, sampling_ratio=1)),
    ("ModulatedDeformRoIPoolPack", dict(sampling_ratio=2, gamma=0.3)),
    ("AdaptiveRoIAlign", dict(max_pool=False)),
)


def port(kind):
    """FILE.py:Class of a layer's port."""
    return f"{os.path.join(PORTS, FILES[kind])}:{kind}"


def cases(small=True) -> dict:
    """{name: settings}; the name says what differs from the defaults."""
    found = {}
    for config in sorted(glob.glob(os.path.join(folder("jdet_configs"), "faster_rcnn_r50_fpn_sra*_1x_coco.py"))):
        name = os.path.basename(config)[len("faster_rcnn_r50_fpn_") : -len("_1x_coco.py")]
        found[name] = dict(layer_settings(config))
    for kind in FILES:
        if kind != "SemanticRoIAlign":
            found[kind] = {"type": kind}
    for kind, options in OTHERS:
        found[f"{kind} {' '.join(f'{k}={v}' for k, v in options.items())}"] = {"type": kind, **options}
    if small:
        found = {name: {**SMALL[settings["type"]], **settings} for name, settings in found.items()}
    return found
