"""The list of all rows of the papers' tables: published numbers, the config that runs the row, notes.

The command line, the documentation and the config tests use `tables()`. Published numbers are read from tables.json (the SRA
paper), lrf.json (Learning Region Features), agg.json (Attention-based Feature Aggregation) and align.json (AlignDet). The
last two files, and the tables lrf2, lrf4 and lrf5, contain the names of their configs; those of the other tables are listed
here, in the same order.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re

from jsra import resources
from jsra.registry import ConfigError, nearest

HERE = os.path.dirname(os.path.abspath(__file__))
NOT_BUILT, PUBLISHED_ONLY = "not built yet", "published only"
# Presets, the data that rows are run on: COCO with the published recipe; drawn figures; photos with a pretrained backbone.
PRESETS = {
    "paper": "COCO, the published recipe",
    "mini": "the puppets, R18-FPN, for any machine",
    "real": "20 classes of COCO val2017, with a frozen ImageNet EfficientNet-Lite0 (docs/real.md)",
}
# Columns of tables.json that are settings of a row, not measurements.
LABELS = (
    "method",
    "setting",
    "backbone",
    "schedule",
    "extractor",
    "descriptor",
    "semantic",
    "position",
    "threshold",
    "positions",
)
COST = ("params_M", "gflops", "avg_samples")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    name: as printed; unique in its table. published: {column: number}. settings: the row's label columns. slug: short name of
    its config (see `config`), None if its model does not exist here. note: what is assumed, or why a number cannot agree.
    """

    table: str
    name: str
    published: dict
    settings: dict
    slug: str | None = None
    note: str = ""

    def config(self, preset: str = "paper") -> str | None:
        """The path of the row's config file, or None if there is none."""
        if self.slug is None:
            return None
        path = os.path.join(resources.folder("jdet_configs"), _file(self.slug, preset))
        return path if os.path.isfile(path) else None

    @property
    def absent(self) -> str:
        """The state of a row without a config: a detector of another project, or a model that does not exist here."""
        return PUBLISHED_ONLY if self.note.startswith(PUBLISHED_ONLY) else NOT_BUILT


def _file(slug, preset):
    """The path of a slug's config, relative to jdet_configs. A slug is the name of an extractor; or model/extractor, for
    Faster R-CNN or one of MODERN; or aggregation/name, aligndet/name or lrf/name with the name of the file."""
    if preset == "real":
        return f"real/coco_lite0_fpn_{slug}.py"
    folder, _, name = slug.rpartition("/")
    if folder in MODERN:
        return MODERN[folder][preset == "mini"].format(name)
    if folder == "aggregation":
        if preset == "paper":
            return f"{slug}.py"
        # The rows of R-101 and LVIS have no miniature: no file has this name.
        backbone, _, neck = re.sub(r"^(cascade_)?mask_rcnn_", "", name).partition("_fpn_")
        small = {"r50": "r18", "swin_t": "swin"}.get(backbone, "")
        return f"mini/puppets_mask_{small}_fpn_{'roi_align' if neck == 'sum' else neck}.py"
    if folder in ("aligndet", "lrf"):
        # Larger backbones have no miniature: no file has this name.
        return f"{slug}.py" if preset == "paper" else f"mini/puppets_{name.replace('_r50_', '_r18_')}.py"
    if preset == "mini":
        return f"mini/puppets_r18_fpn_{slug}.py"
    if name.endswith("_vid"):
        return f"fgfa_r50_dc5_{name}.py"
    return f"faster_rcnn_{folder or 'r50_fpn'}_{name}{'' if name.endswith('voc0712') else '_1x_coco'}.py"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: key ('1' ... '12', 'fig7', 'lrf1' ... 'lrf5', 'agg1' ... 'agg6', 'align1' ... 'align7', or one of OURS),
    title, measured columns, rows.

    kind: how it is measured, 'detection' (train and evaluate), 'invariance', 'diversity' or 'cost'.
    """

    key: str
    title: str
    columns: tuple
    rows: tuple
    kind: str = "detection"

    @property
    def has_cost(self) -> bool:
        return "params_M" in self.columns or self.kind == "cost"

    def select(self, names=None) -> tuple:
        """The rows with the given names or slugs (None: all). Raises ConfigError for an unknown one."""
        if not names:
            return self.rows
        known = {}
        for row in self.rows:
            known.setdefault(row.name, row)
            known.setdefault(row.slug, row)
        known.pop(None, None)
        for name in names:
            if name not in known:
                raise ConfigError(f"table {self.key} has no row {name!r}{nearest(name, known)}")
        return tuple(row for row in self.rows if any(known[name] is row for name in names))


# The slug of each row, in the order of tables.json.
SLUGS = {
    "1": ("roi_align", "deform_roi_pool", "conv_masks", "self_attention", "sra"),
    "2": ("sra_d", "sra_s", "sra_a", "sra_s_a", "sra_d_a", "sra_d_s", "sra_d_s_pe", "sra"),
    "3": ("sra_concat", "sra_max", "sra", "sra_gamma_1st", "sra_gamma_2nd", "sra", "sra_gamma_4th"),
    "4": (
        "sra_n9", "sra_n25", "sra", "sra_n100", "roi_align_3x3", "roi_align_5x5", "roi_align", "roi_align_10x10",
    ),
    "5": ("sra_fixed_8x8", "sra_m16", "sra_m32", "sra", "sra_m128"),
    "6": (
        "roi_pool", "roi_align", "deform_roi_pool", "adaptive_roi_align", "precise_roi_align", "roi_attention", "sra",
    ),
    "11": ("roi_align", "deform_roi_pool", "sra"),
    "12": ("roi_align", "sra"),
    "fig7": ("sra",),
}  # fmt: skip
# Tables that are in no paper, only in the preset 'real': {key: (title, {row: slug})}.
OURS = {
    "gamma": (
        "gamma of SRA, in a wider range than table 3",
        {"gamma 1": "sra_gamma_1", "gamma 2": "sra_gamma_1st", "gamma 5": "sra_gamma_5", "gamma 10": "sra_gamma_2nd",
         "gamma 50": "sra", "gamma 250": "sra_gamma_4th", "gamma 500": "sra_gamma_500"},
    ),
    "init": (
        "initial weights and norm of SRA, of which the paper says nothing",
        {"batch norm, framework's weights": "sra_init_framework",
         "batch norm, logits scaled": "sra_init_logits",
         "batch norm, logits scaled, position gain 1": "sra_init_gain_1",
         "batch norm, logits scaled, position gain 4 (default)": "sra",
         "layer norm, framework's weights": "sra_layer_norm_init_framework",
         "layer norm, logits scaled": "sra_layer_norm_init_logits",
         "layer norm, logits scaled, position gain 4": "sra_layer_norm"},
    ),
}  # fmt: skip
BACKBONES = {"R-50": "r50_fpn", "R-101": "r101_fpn", "RX-101-32x4d": "x101_32x4d_fpn", "RX-101-64x4d": "x101_64x4d_fpn"}
# Mask R-CNN with other backbones, and DyHead: {folder of the slug: (config of the published recipe, config of the
# miniature)}. Larger ones have no miniature.
MODERN = {
    "swin_t": ("mask_rcnn_swin_t_fpn_{}_ms_crop_3x_coco.py", "mini/puppets_mask_swin_fpn_{}.py"),
    "pvt_v2_b0": ("mask_rcnn_pvt_v2_b0_fpn_{}_1x_coco.py", "mini/puppets_mask_pvt_fpn_{}.py"),
    "internimage_t": (
        "mask_rcnn_internimage_t_fpn_{}_1x_coco.py", "mini/puppets_mask_internimage_fpn_{}.py",
    ),
    "vit_adapter_t": ("mask_rcnn_vit_adapter_t_fpn_{}_1x_coco.py", "mini/puppets_mask_vit_adapter_fpn_{}.py"),
    "dyhead": ("dyhead_rcnn_r50_fpn_{}_1x_coco.py", "mini/puppets_dyhead_r18_fpn_{}.py"),
    "swin_s": ("mask_rcnn_swin_s_fpn_{}_ms_crop_3x_coco.py", ""),
    "swin_b": ("mask_rcnn_swin_b_fpn_{}_ms_crop_3x_coco.py", ""),
}
MODERN_BACKBONES = {
    "Swin-T": "swin_t", "Swin-S": "swin_s", "Swin-B": "swin_b", "PVTv2-B0": "pvt_v2_b0", "InternImage-T": "internimage_t",
    "ViT-Adapter-T": "vit_adapter_t",
}  # fmt: skip
EXTRACTORS = {"RoI Align": "roi_align", "SRA": "sra"}
SWIN_STEPS = "the learning rate falls after 27 and 33 epochs, as in the published configs; the paper writes 67% and 92%"
NOTES = {
    "gamma 1st": "our text copy has no value here (the PDF has); this one is ours, see docs/reproduce.md",
    "gamma 2nd": "our text copy has no value here (the PDF has); this one is ours, see docs/reproduce.md",
    "gamma 4th": "our text copy has no value here (the PDF has); this one is ours, see docs/reproduce.md",
    "gamma 3rd (default)": "our text copy has no value here (the PDF has); this is our default, see docs/reproduce.md",
    "DRoIPooling": (
        "offset and mask branches of 26.89 M weights, one pair per FPN level: 41.75 + 4 x 26.89 = 149.33 M; the paper prints "
        "149.4, 0.07 M more, which no part of the published module accounts for"
    ),
    "Swin-T": SWIN_STEPS,
    "Swin-S": SWIN_STEPS,
    "Swin-B": f"{SWIN_STEPS}; no Mask R-CNN with it is published, drop_path_rate is from its authors' cascade",
    "ViT-Adapter-T": "without layer_scale, as when its weights were published; its config has it since June 2025",
    "DyHead": "torchvision's ResNet-50 instead of MSRA's, from which the published config starts",
    "w/ SA": "the paper only says 'a standard multi-head self-attention layer'; its widths are ours",
}


@functools.lru_cache(None)
def tables() -> dict:
    """{key: Table}, in the order of the papers."""
    out = {}
    for key, content in _published():
        rows = content["rows"] or [{"method": name} for name in EXTRACTORS]
        labels = [_name(key, row) for row in rows]
        if key in ("7", "8", "9", "10"):
            built = [row for raw, name in zip(rows, labels) for row in _other_models(key, raw, name)]
        elif key.startswith("agg"):
            built = [_listed(key, raw, "aggregation/") for raw in rows]
        elif key.startswith("align") or key in ("lrf2", "lrf4", "lrf5"):
            built = [_listed(key, raw, "") for raw in rows]
        else:
            slugs = SLUGS.get(key, (content.get("slug"),) * len(rows))
            built = [_row(key, name, raw, slug) for name, raw, slug in zip(labels, rows, slugs)]
        columns = tuple(c for c in content["columns"] if c not in LABELS)
        out[key] = Table(key, content["title"], columns, tuple(built), _kind(key))
    for key, (title, slugs) in OURS.items():
        out[key] = Table(key, title, ("AP", "AP50", "AP75"), tuple(Row(key, n, {}, {}, slug) for n, slug in slugs.items()))
    return out


def table(key) -> Table:
    """The table with a key such as 1, '1' or 'fig7'. Raises ConfigError, which suggests the nearest key."""
    key = str(key).lower().replace("table", "").strip()
    if key not in tables():
        raise ConfigError(f"there is no table {key!r}{nearest(key, tables())}")
    return tables()[key]


def configs(preset: str = "paper") -> dict:
    """{config path: [(table key, row name), ...]} for all rows that have a config in this preset."""
    found = {}
    for t in tables().values():
        for row in t.rows:
            path = row.config(preset)
            if path is not None:
                found.setdefault(path, []).append((t.key, row.name))
    return found


def _published():
    """(key, content) of all published tables."""
    for name in ("tables.json", "lrf.json", "agg.json", "align.json"):
        yield from _read(name).items()


def _read(name):
    with open(os.path.join(HERE, name), encoding="utf8") as f:
        return json.load(f)


def _kind(key):
    return {"11": "invariance", "fig7": "diversity", "lrf1": "cost", "lrf3": "cost"}.get(key, "detection")


def _name(key, raw):
    if key == "2":
        position = {"area": "A", "point": "PE", "none": None}[raw["position"]]
        return " + ".join(
            filter(None, ["D" if raw["descriptor"] else None, "S" if raw["semantic"] else None, position])
        )
    if key in ("7", "8", "9"):
        return " ".join(str(raw[k]) for k in ("method", "backbone", "extractor") if k in raw)
    if key == "fig7":
        return "SRA"
    return raw.get("method") or raw["setting"]


def _row(key, name, raw, slug):
    settings = {k: v for k, v in raw.items() if k in LABELS}
    published = {k: v for k, v in raw.items() if k not in LABELS}
    return Row(key, name, published, settings, slug, NOTES.get(name, ""))


def _listed(key, raw, prefix):
    """A row whose entry in the file has a `slug` (the prefix is added), or a `note` that says why there is no config."""
    published = {k: v for k, v in raw.items() if k not in (*LABELS, "slug", "note")}
    slug = f"{prefix}{raw['slug']}" if "slug" in raw else None
    return Row(key, raw["method"], published, {"method": raw["method"]}, slug, raw.get("note", ""))


def _other_models(key, raw, name):
    """Rows of tables 7 to 10. A line of table 7 has RoI Align and SRA, one of table 10 two datasets: here each is a row."""
    if key == "7":
        pairs = [(f"{name}, {e}", e, {"AP": raw[f"AP_{s}"]}) for e, s in EXTRACTORS.items()]
    elif key == "10":
        numbers = {d: {k: v for k, v in raw.items() if k.startswith(f"{d.lower()}_")} for d in ("VID", "VOC")}
        pairs = [(f"{name}, {dataset}", name, columns) for dataset, columns in numbers.items()]
    else:
        numbers = {k: v for k, v in raw.items() if k not in LABELS}
        pairs = [(name, raw.get("extractor") or raw["method"], numbers)]
    for label, extractor, published in pairs:
        slug, note = None, NOT_BUILT
        if key == "10":
            slug, note = f"{EXTRACTORS[extractor]}_{'vid' if label.endswith('VID') else 'voc0712'}", ""
        elif raw["method"] == "Faster R-CNN" and raw["backbone"] in BACKBONES:
            model = BACKBONES[raw["backbone"]]
            slug, note = EXTRACTORS[extractor] if model == "r50_fpn" else f"{model}/{EXTRACTORS[extractor]}", ""
        elif raw["method"] == "DyHead":
            slug, note = f"dyhead/{EXTRACTORS[extractor]}", NOTES["DyHead"]
        elif raw["method"] == "Mask R-CNN" and raw["backbone"] in MODERN_BACKBONES:
            slug, note = f"{MODERN_BACKBONES[raw['backbone']]}/{EXTRACTORS[extractor]}", NOTES.get(raw["backbone"], "")
        yield Row(key, label, published, {k: v for k, v in raw.items() if k in LABELS}, slug, note)
