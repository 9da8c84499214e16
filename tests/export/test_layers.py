"""Each part of the graph, run in onnxruntime, is compared with its layer."""

import jittor as jt
import numpy as np
import pytest

pytest.importorskip("onnx", reason="writes ONNX: pip install 'jsra[export]'")
pytest.importorskip("onnxruntime", reason="runs ONNX: pip install 'jsra[export]'")

from jsra.backbones.efficientnet_lite import EfficientNetLite  # noqa: E402
from jsra.backbones.resnet import ResNet, ResNeXt  # noqa: E402
from jsra.boxes.anchors import AnchorGenerator  # noqa: E402
from jsra.data.loader import collate
from jsra.data.transforms import Normalize, Pad  # noqa: E402
from jsra.export.backbone import backbone_maps  # noqa: E402
from jsra.export.extractor import extract  # noqa: E402
from jsra.export.fpn import fpn  # noqa: E402
from jsra.export.levels import roi_levels as written_levels  # noqa: E402
from jsra.export.preprocess import preprocess  # noqa: E402
from jsra.export.rpn import _anchors  # noqa: E402
from jsra.export.sra import _nearest  # noqa: E402
from jsra.necks.fpn import EXTRA, FPN  # noqa: E402
from jsra.ops.packing import Packing, grid_table  # noqa: E402
from jsra.ops.roi_levels import roi_levels  # noqa: E402
from jsra.roi import FPNRoIExtractor, RoIAlign, SemanticRoIAlign  # noqa: E402
from tests.export.graphs import run, with_seeded_weights  # noqa: E402

CHANNELS = 8


def rois_of(boxes):
    return jt.array(np.pad(boxes, ((0, 0), (1, 0))))


def boxes_of(rng, count, size=200):
    """Of all sizes and shapes; of blocks of whole cells, where rounding decides; the whole image, thin ones, a pixel."""
    low = rng.uniform(0, size * 0.8, (count, 2))
    high = np.minimum(low + np.exp(rng.uniform(1, np.log(size), (count, 2))), size)
    whole = np.tile(rng.uniform(0, size - 128, (count, 2)), 2) + [0, 0, 128, 128]
    special = [[0, 0, size, size], [0, 50, size, 53], [70, 0, 72, size], [9, 9, 10, 10]]
    return np.float32(np.concatenate([np.concatenate([low, high], axis=1), whole, special]))


def maps_of(rng, size=200):
    return [rng.standard_normal((1, CHANNELS, -(-size // s), -(-size // s))).astype(np.float32) for s in (4, 8, 16, 32)]


def extracted(rng, layer, **settings):
    """(ours, the graph's) features of the same boxes."""
    extractor = FPNRoIExtractor(layer, CHANNELS, **settings).eval()
    boxes, maps = boxes_of(rng, 60), maps_of(rng)
    expected = extractor([jt.array(m) for m in maps], rois_of(boxes)).numpy()
    (found,) = run(lambda g, boxes, *maps: extract(g, extractor, list(maps), boxes), boxes, *maps)
    assert np.abs(expected).max() > 0.1
    return expected, found


@pytest.mark.parametrize(
    "settings",
    [
        {}, dict(output_size=14, sampling_ratio=2), dict(aligned=False), dict(output_size=(3, 5), sampling_ratio=1),
    ],
    ids=str,
)  # fmt: skip
def test_roi_align(rng, settings):
    expected, found = extracted(rng, RoIAlign(**settings))
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {}, dict(descriptor="max"), dict(descriptor="none"), dict(semantic=False), dict(semantic=False, position="none"),
        dict(position="none"), dict(position="point"), dict(descriptor="none", semantic=False), dict(norm="layer"),
        dict(norm="layer", descriptor="none"), dict(grid=4), dict(grid=(3, 5), descriptor="concat"),
        dict(grid=(3, 5), descriptor="max"), dict(grid=4, semantic=False, position="none"), dict(sampling_ratio=2),
        dict(max_area=16, num_masks=7), dict(gamma=5.0),
    ],
    ids=str,
)  # fmt: skip
def test_semantic_roi_align(rng, settings):
    widths = dict(descriptor_channels=12, semantic_channels=10, hidden_channels=16, num_masks=9, max_area=24)
    layer = with_seeded_weights(SemanticRoIAlign(CHANNELS, **{**widths, **settings}), "sra.", {"fc2.weight": 0.1})
    expected, found = extracted(rng, layer)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_one_level(rng):
    extractor = FPNRoIExtractor(RoIAlign(), CHANNELS, featmap_strides=[8])
    boxes, x = boxes_of(rng, 9), maps_of(rng)[1]
    expected = extractor([jt.array(x)], rois_of(boxes)).numpy()
    (found,) = run(lambda g, boxes, x: extract(g, extractor, [x], boxes), boxes, x)
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("layer", [RoIAlign(), SemanticRoIAlign(CHANNELS)], ids=["roi_align", "sra"])
def test_no_boxes(rng, layer):
    extractor = FPNRoIExtractor(layer, CHANNELS).eval()
    boxes = np.zeros((0, 4), np.float32)
    (found,) = run(lambda g, boxes, *maps: extract(g, extractor, list(maps), boxes), boxes, *maps_of(rng))
    assert found.shape == (0, CHANNELS, 7, 7)


@pytest.mark.parametrize("max_area", [1, 2, 16, 64])
def test_grids(rng, max_area):
    """Also of boxes halfway between two grids: small whole sides."""
    boxes = np.concatenate([boxes_of(rng, 300), np.pad(rng.integers(1, 12, (300, 2)), ((0, 0), (2, 0)))]).astype(np.float32)
    table = grid_table(max_area)
    (index,) = run(lambda g, boxes: _nearest(g, max_area, boxes), boxes)
    np.testing.assert_array_equal(table[index], Packing.dynamic(rois_of(boxes), max_area).grids.numpy())


def test_levels(rng):
    borders = [[0, 0, 112, 112], [0, 0, 111.99, 112], [0, 0, 448, 448], [5, 5, 5, 9]]
    boxes = np.concatenate([boxes_of(rng, 300, 2000), borders]).astype(np.float32)
    (found,) = run(lambda g, boxes: written_levels(g, boxes, 4, 56.0), boxes)
    np.testing.assert_array_equal(found, roi_levels(rois_of(boxes), 4).numpy())
    assert set(found) == {0, 1, 2, 3}


def test_anchors():
    generator = AnchorGenerator(strides=[4, 8], ratios=[0.5, 1.0], scales=[4, 8], center_offset=0.5)
    expected = generator.grids([(3, 5), (2, 3)]).numpy()[60:]
    index, width = np.arange(24), np.int64([3])
    (found,) = run(lambda g, index, width: _anchors(g, generator, 1, index, 4, width), index, width)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "backbone",
    [
        lambda: ResNet(18, base_channels=8),
        lambda: ResNet(50, base_channels=8, out_indices=(1, 3), strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)),
        lambda: ResNeXt(50, groups=4, base_width=16, base_channels=8, out_indices=(2,)),
        lambda: EfficientNetLite(0),
    ],
    ids=["R18", "R50 dilated", "X50", "Lite0"],
)
def test_backbone(rng, backbone):
    module = with_seeded_weights(backbone())
    x = rng.standard_normal((1, 3, 70, 101)).astype(np.float32)
    expected = [m.numpy() for m in module(jt.array(x))]
    found = run(lambda g, x: backbone_maps(g, module, x), x)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize("extra", EXTRA)
def test_fpn(rng, extra):
    """Of maps that are not half as large as the one before, too."""
    neck = with_seeded_weights(FPN((4, 6, 8), 5, num_outs=4, start_level=1, extra=extra, relu_before_extra=True), "neck.")
    maps = [rng.standard_normal((1, c, h, h + 3)).astype(np.float32) for c, h in ((4, 25), (6, 13), (8, 7))]
    expected = [m.numpy() for m in neck([jt.array(m) for m in maps])]
    found = run(lambda g, *maps: fpn(g, neck, list(maps)), *maps)
    assert len(found) == len(expected) == 4
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, atol=2e-5)


NORMALIZE = Normalize([10.0, 20.0, 30.0], [2.0, 4.0, 8.0], to_bgr=True)


@pytest.mark.parametrize("size", [(33, 64), (40, 21), (8, 5)], ids=str)
@pytest.mark.parametrize("transforms", [[NORMALIZE, Pad(32)], [Pad(32), NORMALIZE], [NORMALIZE, Pad(8)], [NORMALIZE]])
def test_preprocessing(rng, size, transforms):
    """As in inference, images thinner than 32 pixels included."""
    pixels = expected = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    for transform in transforms:
        expected, _ = transform(expected, {})
    expected, _ = collate([(expected, {})])
    image = pixels.transpose(2, 0, 1)[None].astype(np.float32)
    (found,) = run(lambda g, image: preprocess(g, image, transforms), image)
    np.testing.assert_array_equal(found, expected)
