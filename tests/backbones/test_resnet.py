import jittor as jt
import numpy as np
import pytest

from jsra.backbones.norm import BatchNorm2d
from jsra.backbones.resnet import ResNet, ResNeXt
from jsra.registry import build


def parameters(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    "base, expected",
    [
        # torchvision's resnet18 has 11,689,512 parameters, 513,000 of them in the classifier that is not built here.
        (64, 11_689_512 - 513_000),
        # Half of it: norms 9,600 / 2, the stem 3 * 49 * 64 / 2, all other convolutions 11,157,504 / 4.
        (32, 9_600 // 2 + 9_408 // 2 + 11_157_504 // 4),
    ],
)
def test_width(base, expected):
    model = ResNet(18, base_channels=base)
    assert parameters(model) == expected
    maps = model(jt.zeros((1, 3, 64, 96)))
    assert [m.shape for m in maps] == [[1, base * 2**i, 16 // 2**i, 24 // 2**i] for i in range(4)]


def test_resnext_has_torchvisions_parameters():
    # torchvision's resnext50_32x4d has 25,028,904, of which the classifier's 2,049,000.
    assert parameters(ResNeXt(50, groups=32, base_width=4)) == 25_028_904 - 2_049_000


def test_norms_without_an_epsilon(rng):
    """torchvision's detectors for COCO have 0, which a config sets."""
    for eps in (0.0, 0.5):
        model = build(dict(type="ResNet", depth=18, norm_eps=eps, norm_eval=True, out_indices=(0,)), "backbone").eval()
        model.bn1.running_var.update(jt.full((64,), 0.25))
        x = jt.array(rng.standard_normal((1, 64, 4, 4), np.float32))
        np.testing.assert_allclose(model.bn1(x).numpy(), x.numpy() / np.sqrt(0.25 + eps), rtol=1e-5)


def test_a_new_block_is_the_identity(rng):
    """zero_init_residual: the blocks of layer1, which have no downsampling, pass the pooled stem on."""
    model = ResNet(18, out_indices=(0,)).eval()
    images = jt.array(rng.standard_normal((1, 3, 32, 32), np.float32))
    stem = model.maxpool(jt.nn.relu(model.bn1(model.conv1(images))))
    np.testing.assert_array_equal(model(images)[0].numpy(), stem.numpy())


def test_what_is_frozen_does_not_move(rng):
    model = ResNet(18, frozen_stages=1, out_indices=(0, 1))
    model.train()
    images = jt.array(rng.standard_normal((2, 3, 32, 32), np.float32) + 3)
    before = {name: var.numpy() for name, var in model.state_dict().items()}
    loss = (model(images)[-1] ** 2).sum()
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    gradients = dict(zip([name for name, _ in trained], jt.grad(loss, [p for _, p in trained])))
    jt.sync_all()
    assert all(name.startswith("layer2") for name in gradients)
    assert np.abs(gradients["layer2.0.bn2.weight"].numpy()).max() > 0
    moved = {name for name, var in model.state_dict().items() if not np.array_equal(var.numpy(), before[name])}
    assert moved and all(name.startswith("layer2") and "running" in name for name in moved)


def test_norm_eval_keeps_the_statistics_and_trains_the_weights(rng):
    model = ResNet(18, norm_eval=True, out_indices=(0,))
    model.train()
    before = model.layer1[0].bn1.running_mean.numpy()
    images = jt.array(rng.standard_normal((2, 3, 32, 32), np.float32) + 3)
    gradient = jt.grad((model(images)[0] ** 2).sum(), model.bn1.bias)
    assert np.abs(gradient.numpy()).max() > 0
    np.testing.assert_array_equal(model.layer1[0].bn1.running_mean.numpy(), before)


def test_statistics_of_a_large_batch(rng):
    """Each to 1e-5 of the exact ones: Jittor's own norm, one float32 sum over all positions, is wrong by 3e-5."""
    x = (rng.standard_normal((2, 2, 200, 304)) + rng.uniform(-1, 1, (1, 2, 1, 1))).astype(np.float32)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean((0, 2, 3), keepdims=True)) / np.sqrt(exact.var((0, 2, 3), keepdims=True) + 1e-5)
    norm = BatchNorm2d(2, momentum=1.0)
    norm.train()
    np.testing.assert_allclose(norm(jt.array(x)).numpy(), exact, atol=1e-5 * np.abs(exact).max())
    np.testing.assert_allclose(norm.running_mean.numpy(), x.mean((0, 2, 3), np.float64), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), x.astype(np.float64).var((0, 2, 3)), rtol=1e-5)


def test_refusals():
    with pytest.raises(ValueError, match="depth must be one of 18, 34, 50, 101, 152, got 20"):
        ResNet(20)
    with pytest.raises(ValueError, match="no grouped convolutions"):
        ResNeXt(18)
