"""Swin against mmdet's and timm's (make_swin.py): maps of all stages, gradients of the image and of three weights.

Swin-T whole: python make_swin.py mmdet FILE, then JSRA_SWIN_MMDET=FILE pytest tests/backbones/test_swin.py -k original; with
timm and JSRA_SWIN_TIMM too.
"""

import functools
import os

import jittor as jt
import numpy as np
import pytest

from jsra.backbones.swin import SwinTransformer
from jsra.convert.convert import from_jsra, to_jsra
from jsra.convert.load import load_arrays
from jsra.convert.position_tables import resized
from jsra.runtime.seed import set_seed
from tests.backbones.original import check, in_its_place, read

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = dict(embed_dims=4, depths=(2, 2, 1, 1), num_heads=(1, 2, 2, 4), mlp_ratio=2, drop_path_rate=0.0)
BASE = dict(embed_dims=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32))


def vectors(peer):
    arrays = read(os.environ.get(f"JSRA_SWIN_{peer.upper()}", os.path.join(HERE, f"swin_{peer}.npz")))
    return {name.split("/", 1)[1]: array for name, array in arrays.items()}


def by_file_names(peer, arrays):
    """The names that the peer's files have."""
    if peer == "mmdet":
        return {f"backbone.{name}": array for name, array in arrays.items()}
    return {name.replace("layers_", "layers."): array for name, array in arrays.items()}  # of features -> of a classifier


@pytest.mark.parametrize("peer, case", [("mmdet", "divides"), ("mmdet", "odd"), ("timm", "divides")])
def test_maps_and_gradients_are_those_of_the_original(peer, case):
    full = f"JSRA_SWIN_{peer.upper()}" in os.environ
    settings = dict(drop_path_rate=0.0) if full else dict(SMALL, window_size=3 if peer == "mmdet" else 2)
    model = in_its_place(SwinTransformer(**settings))
    check(model, vectors(peer), case, functools.partial(by_file_names, peer), "mmdet" if peer == "mmdet" else "timm_swin")


@pytest.mark.parametrize("settings, millions", [({}, 27.52), (dict(depths=(2, 2, 18, 2)), 48.84), (BASE, 86.75)])
def test_parameters(settings, millions):
    """The classifiers' (28.29, 49.61, 87.77 M, timm) less head and last norm, with the norms of four outputs."""
    model = SwinTransformer(**settings)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


def test_to_mmdet_and_back():
    weights = {f"backbone.{n[2:]}": a for n, a in vectors("mmdet").items() if n.startswith("w.")}
    back = from_jsra(to_jsra(weights, "mmdet").arrays, "mmdet")
    assert set(back.arrays) == set(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(back.arrays[name], array)


def test_a_classifier_of_its_authors_fits_and_its_tables_are_resized():
    model = in_its_place(SwinTransformer(**SMALL, window_size=3))
    names = {n: v.numpy() for n, v in model.state_dict().items() if not n.startswith("backbone.norm")}
    file = {name.replace("backbone.", ""): array for name, array in names.items()}
    file.update({"layers.0.blocks.1.attn_mask": np.zeros(1), "norm.weight": np.zeros(1), "head.weight": np.zeros(1)})
    larger = in_its_place(SwinTransformer(**SMALL, window_size=4))
    report = load_arrays(larger, file, "swin.pth")
    assert report.family == "swin" and len(report.ignored) == 3 and not report.missing and not report.unexpected
    assert len(report.reshaped) == 6
    name = "backbone.layers.0.blocks.0.attn.relative_position_bias_table"
    expected = resized(file[name[9:]].reshape(5, 5, 1), (7, 7)).reshape(49, 1)
    np.testing.assert_array_equal(larger.state_dict()[name].numpy(), expected)


def test_bicubic_by_hand():
    """From 1 x 4 to 1 x 2: positions 0.5 and 2.5, the shares of the four are -3/32, 19/32, 19/32, -3/32; the edge repeats."""
    table = np.array([[[0.0], [32.0], [0.0], [64.0]]])
    found = resized(table, (1, 2)).ravel()
    np.testing.assert_allclose(found, [19 * 1 + 0 - 3 * 0, 19 * 2 - 3 - 3 * 2], atol=1e-5)


def test_stochastic_depth_has_one_seed(rng):
    model = SwinTransformer(**{**SMALL, "drop_path_rate": 0.9}, window_size=2)
    image = jt.array(rng.standard_normal((1, 3, 32, 32), np.float32))
    maps = []
    for seed in (1, 1, 2):
        set_seed(seed)
        maps.append(model(image)[-1].numpy())
    np.testing.assert_array_equal(maps[0], maps[1])
    assert np.abs(maps[0] - maps[2]).max() > 1e-3
    model.eval()
    np.testing.assert_array_equal(model(image)[-1].numpy(), model(image)[-1].numpy())


def test_refusals():
    with pytest.raises(ValueError, match="out_indices must be some of 0, 1, 2, 3"):
        SwinTransformer(out_indices=(4,))
    with pytest.raises(ValueError, match="96 channels .stage 0. cannot be divided into 5 heads"):
        SwinTransformer(num_heads=(5, 6, 12, 24))
    with pytest.raises(ValueError, match="drop_path_rate must be at least 0 and below 1"):
        SwinTransformer(drop_path_rate=1.0)
