"""Loading weights of a file into a small model: which ones fit, which are reported, which are refused."""

import jittor as jt
import numpy as np
import pytest
from jittor import nn

from jsra.backbones.swin import SwinTransformer
from jsra.convert.convert import from_jsra
from jsra.convert.files import write_weights
from jsra.convert.load import Report, load_weights
from jsra.convert.torch_file import WeightsError


class Model(nn.Module):
    """Names of a detector, few numbers."""

    def __init__(self, classes=2):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.conv1 = nn.Conv2d(3, 4, 1, bias=False)
        self.roi_head = nn.Module()
        self.roi_head.box = nn.Module()
        self.roi_head.box.head = nn.Module()
        self.roi_head.box.head.cls = nn.Linear(4, classes + 1)


def arrays_of(model):
    return {name: var.numpy() for name, var in model.state_dict().items()}


def test_mmdet_file(tmp_path, rng):
    model = Model()
    conv = rng.standard_normal((4, 3, 1, 1)).astype(np.float32)
    scores, bias = rng.standard_normal((3, 4)).astype(np.float32), rng.standard_normal(3).astype(np.float32)
    path = tmp_path / "a.pth"
    write_weights(
        path,
        {
            "backbone.conv1.weight": conv,
            "roi_head.bbox_head.fc_cls.weight": scores,
            "roi_head.bbox_head.fc_cls.bias": bias,
            "ema_backbone_conv1_weight": conv + 1,  # of mmdet 2's EMAHook
            "data_preprocessor.mean": np.zeros((3, 1, 1), np.float32),
        },
    )
    report = load_weights(model, path, strict=True)
    assert report.family == "mmdet" and len(report.matched) == 3 and not report.missing
    assert report.ignored == ["ema_backbone_conv1_weight", "data_preprocessor.mean"] and not report.unexpected
    np.testing.assert_array_equal(model.backbone.conv1.weight.numpy(), conv)
    np.testing.assert_array_equal(model.roi_head.box.head.cls.weight.numpy(), scores[[2, 0, 1]])
    np.testing.assert_array_equal(model.roi_head.box.head.cls.bias.numpy(), bias[[2, 0, 1]])
    assert "background moved" in str(report)


def test_a_pretrained_backbone_is_enough_unless_strict(tmp_path):
    model = Model()
    path = tmp_path / "b.safetensors"
    write_weights(path, {"conv1.weight": np.ones((4, 3, 1, 1), np.float32), "fc.bias": np.ones(5, np.float32)})
    before = arrays_of(model)
    with pytest.raises(WeightsError, match="2 weights that the model needs are missing"):
        load_weights(model, path, strict=True)
    for name, array in arrays_of(model).items():
        np.testing.assert_array_equal(array, before[name])
    report = load_weights(model, path)
    assert report.missing == ["roi_head.box.head.cls.weight", "roi_head.box.head.cls.bias"]
    assert report.ignored == ["fc.bias"]
    assert (model.backbone.conv1.weight.numpy() == 1).all()


def test_the_last_stage_goes_to_the_head_that_has_it(tmp_path):
    model, path = Model(), tmp_path / "resnet.safetensors"
    model.roi_head.box.head.layer4 = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False))
    weights = {"conv1.weight": np.ones((4, 3, 1, 1)), "layer4.0.weight": np.full((4, 4, 1, 1), 2)}
    write_weights(path, {name: array.astype(np.float32) for name, array in weights.items()})
    assert load_weights(model, path).matched == ["backbone.conv1.weight", "roi_head.box.head.layer4.0.weight"]
    assert (model.roi_head.box.head.layer4[0].weight.numpy() == 2).all()


def test_other_classes_are_left_out_unless_strict(tmp_path):
    path = tmp_path / "c.npz"
    write_weights(path, arrays_of(Model(classes=5)))
    model = Model(classes=2)
    report = load_weights(model, path)
    assert report.matched == ["backbone.conv1.weight"]
    assert report.mismatched["roi_head.box.head.cls.weight"] == "[6, 4] in the file, [3, 4] in the model"
    with pytest.raises(WeightsError, match="of another shape"):
        load_weights(model, path, strict=True)


def test_half_a_backbone_and_nothing_at_all(tmp_path):
    path = tmp_path / "d.npz"
    write_weights(
        path, {"backbone.conv1.weight": np.ones((4, 3, 3, 3), np.float32), "roi_head.box.head.cls.bias": np.ones(3)}
    )
    with pytest.raises(WeightsError, match="1 weights that the model needs"):
        load_weights(Model(), path)
    write_weights(path, {"other.weight": np.ones(3, np.float32)})
    with pytest.raises(WeightsError, match="no weight in it matches"):
        load_weights(Model(), path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = Model()
    before = arrays_of(model)
    for value in (np.nan, np.inf):
        arrays = {**before, "backbone.conv1.weight": before["backbone.conv1.weight"].copy()}
        arrays["backbone.conv1.weight"][0, 0] = value
        write_weights(tmp_path / "a.npz", arrays)
        with pytest.raises(WeightsError, match="1 weights contain NaN or infinity: backbone.conv1.weight"):
            load_weights(model, tmp_path / "a.npz")
    np.testing.assert_array_equal(model.backbone.conv1.weight.numpy(), before["backbone.conv1.weight"])


def test_a_deeper_backbone_is_another_one(tmp_path):
    path = tmp_path / "f.npz"
    deeper = {"layer3.22.conv1.weight": np.ones((4, 4, 1, 1), np.float32)}
    write_weights(path, {"conv1.weight": np.ones((4, 3, 1, 1), np.float32), **deeper})
    model = Model()
    before = model.backbone.conv1.weight.numpy()
    with pytest.raises(WeightsError, match="1 weights of its backbone do not exist in the model's.*depth"):
        load_weights(model, path)
    np.testing.assert_array_equal(model.backbone.conv1.weight.numpy(), before)


@pytest.mark.parametrize(
    "name, other",
    [
        ("backbone.layer3.22.conv1.weight", True), ("neck.downsample_convs.0.conv.weight", True),
        ("roi_head.box.extractor.roi_layer.key.weight", True), ("roi_head.bbox_head.conv_branch.0.weight", True),
        ("roi_head.mask.head.logits.weight", False), ("motion.conv1.weight", False),
        ("roi_heads.keypoint_head.0.bias", False),
    ],
)  # fmt: skip
def test_weights_of_another_model_are_refused_where_all_are_needed(tmp_path, name, other):
    """Every weight of the model is in the file, with its shape: only what is left shows that the file is of another one."""
    path, model = tmp_path / "g.npz", Model()
    write_weights(path, {**arrays_of(Model()), name: np.ones(2, np.float32)})
    if other:
        with pytest.raises(WeightsError, match=f"1 weights have no place in the model.*{name}"):
            load_weights(model, path, strict=True)
    else:
        assert load_weights(model, path, strict=True).unexpected == [name]


@pytest.mark.parametrize("name", ["fc", "norm", "classifier", "layer1", "rpn_head", "bbox_head", "detector"])
def test_names_of_a_users_detector_are_its_own(tmp_path, name):
    """Also those that stand for something else in another family, or that a classifier would not need."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            setattr(self, name, nn.Linear(2, 2))

    path, model = tmp_path / "h.npz", Own()
    write_weights(path, {n: np.full_like(a, 3) for n, a in arrays_of(model).items()})
    load_weights(model, path, strict=True)
    assert all((array == 3).all() for array in arrays_of(model).values())


class WithNeck(nn.Module):
    def __init__(self, own=False):
        super().__init__()
        self.neck = nn.Module()
        layers = [nn.Conv2d(2, 2, 1) for _ in range(2)]
        if own:
            for i, layer in enumerate(layers):
                layers[i] = nn.Module()
                layers[i].conv = layer
        self.neck.fpn_convs = nn.ModuleList(layers)
        self.head = nn.Linear(2, 2)


@pytest.mark.parametrize("own", [False, True])
def test_a_neck_of_mmdet_without_its_heads(tmp_path, own):
    """As people write it to train on other classes. A user's own neck may have such names itself."""
    path, model = tmp_path / "n.pth", WithNeck(own)
    write_weights(path, {f"neck.fpn_convs.{i}.conv.weight": np.full((2, 2, 1, 1), i + 5, np.float32) for i in range(2)})
    report = load_weights(model, path)
    assert report.family == ("jsra" if own else "mmdet") and len(report.matched) == 2 and not report.unexpected
    for i, layer in enumerate(model.neck.fpn_convs):
        assert ((layer.conv if own else layer).weight.numpy() == i + 5).all()


def test_swin_of_mmpretrain(tmp_path, rng):
    """The names of mmdet's Swin, a norm only at the end, and a classifier."""
    model = nn.Module()
    model.backbone = SwinTransformer(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))
    ours = {n: rng.standard_normal(a.shape).astype(np.float32) for n, a in arrays_of(model).items() if a.dtype.kind == "f"}
    theirs = from_jsra(ours, "mmpretrain_swin")
    assert not theirs.unexpected and "backbone.stages.0.blocks.0.attn.w_msa.qkv.weight" in theirs.arrays
    norms = [f"backbone.norm{i}.{kind}" for i in range(3) for kind in ("weight", "bias")]
    kept = {n: a for n, a in theirs.arrays.items() if n not in norms}
    path = tmp_path / "s.pth"
    write_weights(path, {**kept, "head.fc.weight": np.ones((5, 64), np.float32), "head.fc.bias": np.ones(5, np.float32)})
    before = arrays_of(model)
    report = load_weights(model, path)
    assert report.family == "mmpretrain_swin" and report.ignored == ["head.fc.weight", "head.fc.bias"]
    for name, array in arrays_of(model).items():
        np.testing.assert_array_equal(array, before[name] if name in norms or name not in ours else ours[name])


def test_frozen_parameters_stay_frozen(tmp_path):
    model = Model()
    model.backbone.conv1.weight.stop_grad()
    path = tmp_path / "e.npz"
    write_weights(path, arrays_of(Model()))
    load_weights(model, path)
    assert model.backbone.conv1.weight.is_stop_grad()
    assert not model.roi_head.box.head.cls.weight.is_stop_grad()
    jt.sync_all()


def test_a_classifier_with_layers_that_the_backbone_lacks(tmp_path, capsys):
    """EfficientNet-B0 has the names of EfficientNet-Lite0, and squeeze-and-excitation layers."""
    from jsra.cli import main

    model = nn.Module()
    model.backbone = nn.Module()
    model.backbone.stem_conv = nn.Conv2d(3, 4, 1, bias=False)
    model.backbone.blocks = nn.ModuleList([nn.Module()])
    model.backbone.blocks[0].project_conv = nn.Conv2d(4, 4, 1, bias=False)
    arrays = {
        "_conv_stem.weight": np.ones((4, 3, 1, 1), np.float32), "_fc.bias": np.ones(5, np.float32),
        "_blocks.0._project_conv.weight": np.ones((4, 4, 1, 1), np.float32),
    }  # fmt: skip
    path = tmp_path / "lite.npz"
    write_weights(path, arrays)
    assert len(load_weights(model, path).matched) == 2
    write_weights(path, {**arrays, "_blocks.0._se_reduce.weight": np.ones((1, 4, 1, 1), np.float32)})
    with pytest.raises(WeightsError, match="1 weights of its backbone do not exist in the model's.*kind"):
        load_weights(model, path)
    assert main(["convert", str(path), str(tmp_path / "b.npz")]) == 1
    assert "no place in" in capsys.readouterr().out and not (tmp_path / "b.npz").exists()


def test_many_names_are_told_by_their_modules():
    neck = [f"neck.fpn_convs.{i}.{part}" for i in range(9) for part in ("weight", "bias")]
    counters = [f"backbone.bn{i}.num_batches_tracked" for i in range(14)]
    report = Report("mmdet", [], [*neck, "head.cls.weight"], counters[:2], {}, {}, [*counters, "fc.bias"])
    assert str(report).splitlines() == [
        "0 weights matched (mmdet names)",
        "19 missing: " + ", ".join(f"neck.fpn_convs.{i} (2)" for i in range(9)) + ", head.cls.weight",
        "2 unexpected: num_batches_tracked (2)",
        "15 ignored: num_batches_tracked (14), fc.bias",
    ]
    assert str(report._replace(missing=neck * 2, unexpected=[], ignored=[])).endswith("fpn_convs.8 (4)")
    many = [f"part{i}.weight" for i in range(13)]
    assert str(report._replace(missing=many)).splitlines()[1].endswith("part11.weight, ... and 1 more")
