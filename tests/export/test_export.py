"""Complete tiny detectors: onnxruntime gives the model's detections with the exported file. Weights depend on their names."""

import json

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip("onnx", reason="writes ONNX: pip install 'jsra[export]'")
pytest.importorskip("onnxruntime", reason="runs ONNX: pip install 'jsra[export]'")

from jsra.cli import main  # noqa: E402
from jsra.config import load_config  # noqa: E402
from jsra.convert.files import write_weights  # noqa: E402
from jsra.export import check  # noqa: E402
from jsra.export.export import onnx_model, save  # noqa: E402
from jsra.export.supported import check_supported  # noqa: E402
from jsra.inference import Detector  # noqa: E402
from jsra.registry import ConfigError  # noqa: E402
from tests.export.graphs import with_seeded_weights  # noqa: E402

CONFIGS = ["r18_fpn_roi_align", "r18_fpn_sra", "mask_r18_fpn_roi_align", "mask_r18_fpn_sra"]
SMALL = [
    "+model.backbone.base_channels=16", "model.neck.in_channels=[16,32,64,128]",
    "model.roi_head.box.head.fc_out_channels=64",
]  # fmt: skip
# Scores and probabilities that differ from one another, not all 1.
GAINS = {"box.head.cls.weight": 0.1, "mask.head.logits.weight": 0.1}
NAMES = tuple("abcdef")
SIZES = [(128, 160), (101, 83)]


def path_of(name):
    return f"jdet_configs/mini/puppets_{name}.py"


def detector_of(name, *overrides):
    detector = Detector(path_of(name), overrides=[*SMALL, *overrides])
    with_seeded_weights(detector.model, gains=GAINS)
    return detector


def session_of(detector):
    model = onnx_model(detector.model, detector.transforms.transforms, NAMES)
    onnx.checker.check_model(model, full_check=True)
    return model, check.session(model.SerializeToString())


def picture(height, width, seed=0):
    """Squares of 8 pixels of any colour."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    return squares.repeat(8, 0).repeat(8, 1)[:height, :width]


def both(detector, session, size):
    pixels = picture(*size)
    return check.ours(detector, pixels), check.theirs(session, pixels)


@pytest.fixture(scope="module", params=CONFIGS)
def exported(request):
    detector = detector_of(request.param)
    return detector, *session_of(detector)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_finds_the_same(exported, size):
    detector, _, session = exported
    expected, found = both(detector, session, size)
    assert len(expected["scores"]) > 50 and len(set(expected["labels"])) > 2 and expected["scores"].std() > 0.05
    assert ("masks" in expected) == hasattr(detector.model.roi_head, "mask") == ("masks" in found)
    if "masks" in expected:
        assert found["masks"].shape[1:] == (28, 28) and expected["masks"].std() > 0.05
    difference = check.difference(expected, found)
    assert difference.small(max(size)), difference
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-4)  # in the same order, best first


def test_only_standard_operators(exported):
    _, model, _ = exported
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} == {""}
    assert [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input] == [
        [1, 3, "height", "width"]
    ]


def test_metadata(exported):
    _, model, _ = exported
    properties = {p.key: json.loads(p.value) for p in model.metadata_props}
    assert properties == {"classes": list(NAMES), "resize": {"min_size": [160], "max_size": 160, "keep_ratio": True}}


def test_nothing_found():
    detector = detector_of("mask_r18_fpn_sra", "model.roi_head.box.test.score_thr=1.0")
    expected, found = both(detector, session_of(detector)[1], SIZES[0])
    assert len(expected["scores"]) == len(found["scores"]) == 0 and found["masks"].shape == (0, 28, 28)


@pytest.mark.parametrize(
    "name, overrides",
    [
        ("r18_fpn_roi_align", ["model.roi_head.box.head.reg_class_agnostic=True", "+model.rpn.num_convs=2"]),
        ("r18_fpn_sra", ["model.roi_head.box.head.loss_cls.use_sigmoid=True", "+model.roi_head.box.head.num_fcs=1"]),
        (
            "mask_r18_fpn_roi_align",
            ["+model.roi_head.branches.mask.head.class_agnostic=True", "model.rpn.test_proposals.min_size=9"],
        ),
    ],
)  # fmt: skip
def test_other_heads(name, overrides):
    detector = detector_of(name, *overrides)
    difference = check.difference(*both(detector, session_of(detector)[1], SIZES[0]))
    assert difference.both > 30 and difference.small(max(SIZES[0])), difference


def test_differences_are_found():
    a = dict(boxes=np.float32([[0, 0, 9, 9], [5, 5, 20, 20]]), scores=np.float32([0.9, 0.8]), labels=np.array([1, 2]))
    assert check.difference(a, a) == (2, 0, 0.0, 0.0, None) and check.difference(a, a).small(20)
    swapped = {key: value[::-1] for key, value in a.items()}
    assert check.difference(a, swapped) == (2, 0, 0.0, 0.0, None)
    moved = {**a, "boxes": a["boxes"] + 0.5}
    assert check.difference(a, moved).boxes == 0.5 and not check.difference(a, moved).small(20)
    other = {**a, "labels": np.array([1, 3])}
    assert check.difference(a, other)[:2] == (1, 2) and not check.difference(a, other).small(20)
    none = {key: value[:0] for key, value in a.items()}
    assert check.difference(a, none)[:2] == check.difference(none, a)[:2] == (0, 2)


# What a user's own part decides, which is not in the file.
OWN = {
    "model.roi_head.box.test": "DetectionSelector", "model.rpn.test_proposals": "ProposalSelector",
    "model.roi_head.box.head.loss_cls": "CrossEntropyLoss or FocalLoss",
}  # fmt: skip


def test_scores_of_focal_loss():
    detector = detector_of(CONFIGS[0], "model.roi_head.box.head.loss_cls={type: FocalLoss}")
    expected, found = both(detector, session_of(detector)[1], SIZES[1])
    difference = check.difference(expected, found)
    assert difference.both > 50 and difference.small(max(SIZES[1])), difference


def test_what_cannot_be_exported_is_listed():
    for name, lines in {
        "mini/puppets_mask_swin_fpn_sra": ["model.backbone is SwinTransformer; it must be ResNet or "],
        "mini/puppets_faster_rcnn_r18_c5_roi_pool": ["model is FasterRCNNC5", "model.neck is ", "roi_layer is RoIPool"],
        "mini/puppets_retinanet_r18_fpn": ["model is RetinaNet", "model.roi_head is missing"],
        "cascade_rcnn_r50_fpn_sra_1x_coco": ["model is CascadeRCNN", "model.roi_head.box is CascadeBoxBranch"],
    }.items():
        with pytest.raises(ConfigError, match="cannot be exported") as caught:
            check_supported(load_config(f"jdet_configs/{name}.py"), name)
        assert all(line in str(caught.value) for line in lines), caught.value
    config = load_config(path_of(CONFIGS[0]), ["+model.roi_head.box.extractor.roi_layer.mode=max"])
    with pytest.raises(ConfigError, match="roi_layer.mode is 'max'; it must be 'avg'"):
        check_supported(config, "mine.py")
    for part, known in OWN.items():
        config = load_config(path_of(CONFIGS[0]), [f"{part}={{type: Mine}}"])
        with pytest.raises(ConfigError, match=rf"{part} is Mine; it must be {known}"):
            check_supported(config, "mine.py")
    config = load_config(path_of(CONFIGS[0]))
    config["dataset"]["test"]["transforms"].append(dict(type="RandomFlip"))
    with pytest.raises(ConfigError, match="the test transform RandomFlip; it must be Resize or"):
        check_supported(config, "mine.py")
    resize, *others = load_config(path_of(CONFIGS[0]))["dataset"]["test"]["transforms"]
    assert resize["type"] == "Resize"
    for order in ([dict(type="Pad"), resize, *others], [resize, resize, *others], [*others, resize]):
        config["dataset"]["test"]["transforms"] = order
        with pytest.raises(ConfigError, match="Resize is not in the file; it must be the first, and occur once"):
            check_supported(config, "mine.py")
    for wrong in ([resize], [resize, *others, dict(type="Normalize", mean=[0, 0, 0], std=[2, 2, 2])]):
        config["dataset"]["test"]["transforms"] = wrong
        with pytest.raises(ConfigError, match="Normalize must occur once"):
            check_supported(config, "mine.py")
    for name in CONFIGS:
        check_supported(load_config(path_of(name)), name)


def test_a_head_for_other_features_is_refused():
    detector = detector_of(CONFIGS[1])
    detector.model.roi_head.box.head.roi_feat_size = (5, 5)
    with pytest.raises(ConfigError, match="gives .* numbers per RoI, and the head reads .*: set roi_feat_size"):
        onnx_model(detector.model, detector.transforms.transforms, NAMES)


def command(tmp_path, *more):
    """The command on weights and a picture of its own."""
    state = detector_of(CONFIGS[1]).model.state_dict()
    write_weights(str(tmp_path / "w.safetensors"), {name: var.numpy() for name, var in state.items()})
    Image.fromarray(picture(90, 120)).save(tmp_path / "a.png")
    settings = [word for value in SMALL for word in ("--set", value)]
    return main(["export", path_of(CONFIGS[1]), str(tmp_path / "w.safetensors"), *settings, *more])


def test_command(tmp_path, capsys, monkeypatch):
    target = str(tmp_path / "new" / "model.onnx")
    assert command(tmp_path, target, "--check", str(tmp_path / "a.png")) == 0
    printed = capsys.readouterr().out
    assert f"{target}: opset 18" in printed and "image -> boxes, scores, labels" in printed
    assert "a.png (160 x 120): " in printed and " detections in both, 0 in only one; largest" in printed
    monkeypatch.setattr(check, "theirs", lambda session, pixels: check.ours(detector_of(CONFIGS[0]), pixels))
    assert command(tmp_path, target, "--check", str(tmp_path / "a.png")) == 1
    assert "the difference is more than 0.0001" in capsys.readouterr().out


def test_command_refuses_at_the_start(tmp_path, capsys, monkeypatch):
    assert command(tmp_path, str(tmp_path / "model.pt")) == 2
    assert "give a file name that ends in .onnx" in capsys.readouterr().err
    assert command(tmp_path, str(tmp_path / "model.onnx"), "--check", "absent.png") == 2
    assert "there is no picture absent.png" in capsys.readouterr().err
    assert command(tmp_path, str(tmp_path / "model.onnx"), "--check", __file__) == 2
    assert "test_export.py cannot be read" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert command(tmp_path, str(tmp_path / "model.onnx"), "--check", str(tmp_path / "a.png")) == 2
    assert capsys.readouterr().err == (
        "jsra export: onnx and onnxruntime not found; install: pip install 'jsra[export]'\n"
    )
    assert not (tmp_path / "model.onnx").exists()


def test_a_full_disk_leaves_no_file(tmp_path, monkeypatch):
    model, path = session_of(detector_of(CONFIGS[0]))[0], tmp_path / "model.onnx"

    def full(model, target):
        open(target, "wb").write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("onnx.save_model", full)
    with pytest.raises(OSError, match="No space left"):
        save(model, str(path))
    assert list(tmp_path.iterdir()) == []
