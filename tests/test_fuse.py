import jittor as jt
import numpy as np
import pytest

from jsra.backbones.norm import BatchNorm2d
from jsra.backbones.resnet import BasicBlock, ResNet
from jsra.bench.weights import seeded
from jsra.boxes.anchors import AnchorGenerator
from jsra.engine.amp import halve_layers
from jsra.fuse import FusedModel
from jsra.heads.mask_head import FCNMaskHead
from jsra.heads.retina_head import RetinaHead
from jsra.heads.rpn import RPNHead
from jsra.losses.cross_entropy import CrossEntropyLoss
from jsra.necks.fpn import FPN
from jsra.ops.conv import Conv2d
from tests.ops.test_fused_conv import counted, cpu_with_onednn, distance  # noqa: F401  (a fixture that skips)


class Maps(jt.nn.Module):
    """Backbone, pyramid, and the RPN's logits and deltas."""

    def __init__(self, depth):
        super().__init__()
        self.backbone = ResNet(depth, zero_init_residual=False)
        self.neck = FPN(self.backbone.out_channels, 64, num_outs=5, extra="on_output")
        anchors = type("Anchors", (), {"num_base_anchors": 3})()
        self.rpn = RPNHead(anchors, None, None, None, None, None, in_channels=64, feat_channels=32)
        for name, var in self.state_dict().items():
            var.update(jt.array(seeded(name, tuple(var.shape))))
        self.eval()

    def execute(self, images):
        maps = self.neck(self.backbone(images))
        logits, deltas = self.rpn.forward_levels(maps)
        return [*maps, *logits, *deltas]


def values(outputs):
    return [o.numpy() for o in outputs]


@pytest.mark.parametrize("depth, size", [(18, (96, 160)), (50, (70, 101))])
def test_equal_to_the_model_itself(rng, monkeypatch, depth, size):
    """Relative to the largest value of each map: 1e-5. Every convolution is one pass."""
    model = Maps(depth)
    images = jt.array(rng.standard_normal((2, 3, *size)).astype(np.float32))
    calls = counted(monkeypatch)
    fused = values(FusedModel(model)(images))
    assert len(calls) == {18: 20, 50: 53}[depth] + 4 + 5 + 5 * 3
    calls.clear()
    with jt.no_grad():
        plain = values(model(images))
    assert calls == [], "the model itself was changed"
    assert max(distance(got, expected) for got, expected in zip(fused, plain)) < 1e-5


def test_a_mask_head_is_fused(rng, monkeypatch):
    """Its three 3x3 convolutions and the doubling one, with their ReLUs; whatever part of it is asked for."""

    class Chosen(jt.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = FCNMaskHead(CrossEntropyLoss(use_sigmoid=True), 5, 16, 16, num_convs=3)

        def execute(self, x, labels):
            return [self.head(x), self.head.class_logits(x, labels)]

    model = Chosen().eval()
    inputs = jt.array(rng.standard_normal((3, 16, 14, 14)).astype(np.float32)), jt.array(np.int32([2, 0, 5]))
    calls = counted(monkeypatch)
    fused = values(FusedModel(model)(*inputs))
    assert len(calls) == 4 + 1 + 4
    with jt.no_grad():
        plain = values(model(*inputs))
    assert max(distance(got, expected) for got, expected in zip(fused, plain)) < 1e-5


def test_weights_are_read_at_each_call(rng):
    block = BasicBlock(16, 16, 1, 1, 1, 64, None, BatchNorm2d).eval()
    fused, x = FusedModel(block), jt.array(rng.standard_normal((1, 16, 9, 11)).astype(np.float32))
    for factor in (1.0, 3.0):
        block.conv2.weight.update(block.conv2.weight * factor)
        block.bn2.running_mean.update(block.bn2.running_mean + factor)
        with jt.no_grad():
            expected = block(x).numpy()
        assert distance(fused(x).numpy(), expected) < 3e-6


def test_training_and_what_a_class_says_itself_are_left_alone(rng, monkeypatch):
    class Doubled(BasicBlock):
        def execute(self, x):
            return 2 * x

    x = jt.array(rng.standard_normal((1, 16, 9, 11)).astype(np.float32))
    block = Doubled(16, 16, 1, 1, 1, 64, None, BatchNorm2d)
    np.testing.assert_array_equal(FusedModel(block)(x).numpy(), 2 * x.numpy())
    calls = counted(monkeypatch)
    FusedModel(BasicBlock(16, 16, 1, 1, 1, 64, None, BatchNorm2d))(x).sync()  # in training
    assert calls == []


class Twice(Conv2d):
    def execute(self, x):
        return 2 * super().execute(x)


class Shifted(BatchNorm2d):
    def execute(self, x):
        return super().execute(x) + 1


def patched(module):
    """The module with a method of its own."""
    execute = module.execute
    module.execute = lambda x: 3 * execute(x)
    return module


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model.layer1[0], "conv1", Twice(64, 64, 3, padding=1)),
        lambda model: setattr(model.layer1[0], "bn2", Shifted(64)),
        lambda model: setattr(model.layer1[0], "bn1", jt.nn.GroupNorm(8, 64)),
        lambda model: setattr(model.layer1[0], "bn1", lambda x: 2 * x),
        lambda model: patched(model.layer1[0].conv1),
        lambda model: patched(model.layer1[0]),
        lambda model: setattr(model.layer2[0], "downsample", jt.nn.Sequential(jt.nn.Pool(2), Conv2d(64, 128, 1))),
        lambda model: setattr(model.layer2[0], "downsample", Conv2d(64, 128, 1, 2)),
    ],
)  # fmt: skip
def test_parts_that_a_user_has_changed_run_themselves(rng, change):
    model = ResNet(18, out_indices=(1,), zero_init_residual=False)
    change(model)
    model.eval()
    images, fused = jt.array(rng.standard_normal((1, 3, 64, 64)).astype(np.float32)), FusedModel(model)
    with jt.no_grad():
        (plain,) = values(model(images))
    for _ in range(2):
        assert distance(fused(images)[0].numpy(), plain) < 1e-5


def test_an_error_leaves_no_rule_behind(rng):
    model = ResNet(18, out_indices=(0,)).eval()
    with pytest.raises(ValueError, match="has 4 channels, the weight needs 3"):
        FusedModel(model)(jt.zeros((1, 4, 32, 32)))
    assert not any({"execute", "stem"} & set(module.__dict__) for module in model.modules())


def test_towers_of_a_dense_head(rng, monkeypatch):
    """Each convolution with its ReLU in one pass, and the outputs."""

    class Dense(jt.nn.Module):
        def __init__(self):
            super().__init__()
            anchors = AnchorGenerator(strides=(8,), scales=(4,), ratios=(1.0,))
            self.head = RetinaHead(
                anchors, 16, 16, 2, box_coder=None, assigner=None, loss_cls=None, loss_box=None, num_classes=3
            )
            for name, var in self.state_dict().items():
                var.update(jt.array(seeded(name, tuple(var.shape))))

        def execute(self, x):
            logits, deltas = self.head.forward_levels([x])
            return [*logits, *deltas]

    model, x = Dense().eval(), jt.array(rng.standard_normal((1, 16, 9, 11)).astype(np.float32))
    calls = counted(monkeypatch)
    fused = values(FusedModel(model)(x))
    assert len(calls) == 6
    with jt.no_grad():
        plain = values(model(x))
    assert max(distance(got, expected) for got, expected in zip(fused, plain)) < 1e-5


def test_methods_of_an_object_itself_are_left_alone(rng):
    """Those of mixed precision were deleted by the first evaluation: the training went on without it."""
    model = ResNet(18, out_indices=(0,)).eval()
    x = jt.array(rng.standard_normal((1, 3, 32, 32)).astype(np.float32))
    halve_layers(model, "float32")
    own = {id(module): module.execute for module in model.modules() if "execute" in module.__dict__}
    first, (block, *_) = model.conv1, model.layer1
    del first.execute, own[id(first)]
    own[id(block.conv2)] = block.conv2.execute = lambda x: 2 * x
    model.stem = lambda x: 3 * x[:, :, ::4, ::4].repeat(1, 22, 1, 1)[:, :64]
    with jt.no_grad():
        expected = model(x)[0].numpy()
    for _ in range(2):
        np.testing.assert_allclose(FusedModel(model)(x)[0].numpy(), expected, rtol=1e-5, atol=1e-5)
    assert "stem" in model.__dict__
    assert {id(module): module.execute for module in model.modules() if "execute" in module.__dict__} == own
