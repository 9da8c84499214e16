"""ViT-Adapter against its authors' code (make_vit_adapter.py): maps, gradients of the image and of three weights.

ViT-Adapter-T whole: python make_vit_adapter.py CLONE FILE, then JSRA_VIT_ADAPTER=FILE pytest -k original on this file.
"""

import os

import numpy as np
import pytest

from jsra.backbones.vit_adapter import ViTAdapter
from jsra.convert.load import load_arrays
from tests.backbones.original import check, in_its_place, read

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vit_adapter.npz")
SMALL = dict(
    embed_dim=8, depth=4, num_heads=2, mlp_ratio=2, window_blocks=(0, 2), window_size=3, layer_scale=True, drop_path_rate=0.0,
    pretrain_size=48, conv_inplane=4, deform_num_heads=2, n_points=2, deform_ratio=0.5, cffn_ratio=0.5,
    interaction_indexes=((0, 1), (2, 3)),
)  # fmt: skip


def by_file_names(arrays):
    """The names that files of the authors' detectors have."""
    return {f"backbone.{name}": array for name, array in arrays.items()}


@pytest.mark.parametrize("case", ["divides", "odd"])
def test_maps_and_gradients_are_those_of_the_original(case):
    settings = dict(drop_path_rate=0.0) if "JSRA_VIT_ADAPTER" in os.environ else SMALL
    arrays = read(os.environ.get("JSRA_VIT_ADAPTER", FILE))
    check(in_its_place(ViTAdapter(**settings)), arrays, case, by_file_names, "mmdet")


def test_a_classifier_of_deit_fits():
    """What the adapter adds starts anew; the class token, the last norm and the head have no place."""
    arrays = {n[2:]: a for n, a in read(FILE).items() if n.startswith(("w.patch_embed", "w.blocks", "w.pos_embed"))}
    file = {n: a for n, a in arrays.items() if "gamma" not in n}
    file.update({"cls_token": np.zeros((1, 1, 8)), "norm.weight": np.zeros(8), "head.bias": np.zeros(1000)})
    model = in_its_place(ViTAdapter(**SMALL))
    report = load_arrays(model, file, "deit.pth")
    assert report.family == "deit" and len(report.ignored) == 3 and not report.missing and not report.unexpected
    np.testing.assert_array_equal(model.backbone.blocks[3].mlp.fc2.weight.numpy(), arrays["blocks.3.mlp.fc2.weight"])


def test_first_offsets_of_the_paper():
    """Each head looks in a direction of its own, point i of it lies i + 1 cells off; the injector adds nothing at first."""
    model = ViTAdapter(**{**SMALL, "deform_num_heads": 4})
    offsets = model.interactions[0].extractor.attn.sampling_offsets
    assert not offsets.weight.numpy().any()
    expected = [[[1, 0], [2, 0]], [[0, 1], [0, 2]], [[-1, 0], [-2, 0]], [[0, -1], [0, -2]]]
    np.testing.assert_allclose(offsets.bias.numpy().reshape(4, 2, 2), expected, atol=1e-6)
    assert not model.interactions[1].injector.gamma.numpy().any()


def test_parameters():
    """As many as the authors' code has."""
    assert sum(p.numel() for p in ViTAdapter().parameters() if p.requires_grad) == 7_962_032


def test_refusals():
    with pytest.raises(ValueError, match="ViTAdapter: 192 channels cannot be divided into num_heads=5"):
        ViTAdapter(num_heads=5)
    with pytest.raises(ValueError, match="interaction_indexes must be groups of all 12 blocks"):
        ViTAdapter(interaction_indexes=((0, 2), (4, 11)))
    with pytest.raises(ValueError, match="window_blocks must be some of 0 to 11"):
        ViTAdapter(window_blocks=(12,))
    with pytest.raises(ValueError, match="pretrain_size must be a multiple of 16, got 200"):
        ViTAdapter(pretrain_size=200)
