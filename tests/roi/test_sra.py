"""Semantic RoI Align against a transcription of its definition into NumPy loops, and its two forms against each other."""

import jittor as jt
import numpy as np
import pytest

from jsra.ops.reference.dynamic_sampler import dynamic_sampler
from jsra.roi import FPNRoIExtractor, SemanticRoIAlign
from tests.ops.rois import random_rois
from tests.ops.tester import derivatives, exact

C, N, M = 8, 5, 9
SMALL = dict(
    in_channels=C, num_masks=N, max_area=M, descriptor_channels=6, semantic_channels=7, hidden_channels=10, gamma=3.0
)
OPTIONS = [
    dict(),
    dict(descriptor="max"),
    dict(descriptor="none"),
    dict(descriptor="concat", grid=(2, 3)),
    dict(semantic=False),
    dict(position="point"),
    dict(position="none"),
    dict(descriptor="none", semantic=False),
    dict(semantic=False, position="none"),
    dict(norm="layer"),
    dict(grid=4, sampling_ratio=2),
]
BATCH_NORMS = ("norm1.running_mean", "norm1.running_var", "norm2.running_mean", "norm2.running_var")


def name_of(options):
    return " ".join(f"{k}={v}" for k, v in options.items()) or "default"


@pytest.fixture
def inputs(rng):
    features = rng.standard_normal((2, C, 14, 18)).astype(np.float32)
    corners, sizes = rng.uniform(0, 40, (6, 2)), rng.uniform(4, 30, (6, 2))
    rois = np.concatenate([rng.integers(0, 2, (6, 1)), corners, corners + sizes], axis=1).astype(np.float32)
    rois[5, 1:] = [20, 20, 20, 20]  # empty: sampled as zeros on a square grid
    return features, rois


def make(rng, form="fast", **options):
    """A module whose weights, affine and running ones included, come from `rng`."""
    module = SemanticRoIAlign(form=form, **{**SMALL, **options})
    weights = {}
    for key, value in module.state_dict().items():
        weights[key] = (rng.standard_normal(value.shape) * 0.5).astype(np.float32)
        if "var" in key or "norm" in key and "weight" in key:
            weights[key] = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
    module.load_state_dict(weights)
    return module, weights


def upsample(vector, length):
    """Linear, half-pixel, as torch.nn.functional.interpolate(mode='linear', align_corners=False)."""
    out = []
    for x in range(length):
        at = min(max((x + 0.5) * len(vector) / length - 0.5, 0), len(vector) - 1)
        low = int(at)
        high = min(low + 1, len(vector) - 1)
        out.append(vector[low] * (1 - (at - low)) + vector[high] * (at - low))
    return out


def position(kind, i, j, h, w):
    if kind == "none":
        return []
    if kind == "point":
        return [(i + 0.5) / h * 2 - 1, (j + 0.5) / w * 2 - 1]
    return upsample(np.eye(h)[i], M) + upsample(np.eye(w)[j], M)


def transcribe(weights, features, rois, training, options):
    """Outputs [K, C, N], masks of each RoI [N, h, w] and new running statistics, by the formulas, in float64."""
    weights = {k: v.astype(np.float64) for k, v in weights.items()}
    options = {**SMALL, "descriptor": "avg", "semantic": True, "position": "area", "norm": "batch", **options}
    grid = options.get("grid")
    sampled, offsets, grids = dynamic_sampler(features, rois, 0.25, M, grid, options.get("sampling_ratio", 0))
    running = {}

    def linear(name, x):
        return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]

    def norm(name, rows):
        if options["norm"] == "layer":
            rows = (rows - rows.mean(axis=1, keepdims=True)) / np.sqrt(rows.var(axis=1, keepdims=True) + 1e-5)
        else:
            mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
            if training:
                running[f"{name}.running_mean"] = 0.9 * mean + 0.1 * rows.mean(axis=0)
                running[f"{name}.running_var"] = 0.9 * var + 0.1 * rows.var(axis=0, ddof=1)
                mean, var = rows.mean(axis=0), rows.var(axis=0)
            rows = (rows - mean) / np.sqrt(var + 1e-5)
        return np.maximum(rows * weights[f"{name}.weight"] + weights[f"{name}.bias"], 0)

    z = []
    for k, (h, w) in enumerate(grids):
        f = sampled[offsets[k] : offsets[k + 1]]
        if options["descriptor"] == "avg":
            d = np.mean([linear("descriptor", x) for x in f], axis=0)
        elif options["descriptor"] == "max":
            d = np.max([linear("descriptor", x) for x in f], axis=0)
        else:
            d = linear("descriptor", f.ravel()) if options["descriptor"] == "concat" else []
        for i in range(h):
            for j in range(w):
                p = position(options["position"], i, j, h, w)
                s = linear("semantic", np.concatenate([f[i * w + j], p])) if options["semantic"] else p
                z.append(np.concatenate([d, s]))
    hidden = norm("norm2", np.array([linear("fc1", x) for x in norm("norm1", np.array(z))]))
    logits = np.array([linear("fc2", x) for x in hidden])
    out, masks = np.zeros((len(rois), C, N)), []
    for k, (h, w) in enumerate(grids):
        e = np.exp(
            options["gamma"] * (logits[offsets[k] : offsets[k + 1]] - logits[offsets[k] : offsets[k + 1]].max(axis=0))
        )
        e /= e.sum(axis=0)
        masks.append(e.T.reshape(N, h, w))
        for n in range(N):
            for position_, weight in enumerate(e[:, n]):
                out[k, :, n] += weight * sampled[offsets[k] + position_]
    return out, masks, running


@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
def test_both_forms_follow_the_definition(rng, inputs, options):
    features, rois = inputs
    for form in ("fast", "straightforward"):
        module, weights = make(rng, form, **options)
        for training in (False, True):
            module.train() if training else module.eval()
            out = module(jt.array(features), jt.array(rois), 0.25).numpy()
            expected, _, running = transcribe(weights, features, rois, training, options)
            assert out.shape == (6, C, N)
            # gamma = 50 multiplies what float32 rounds in the logits.
            np.testing.assert_allclose(out, expected, atol=5e-5, err_msg=f"{form}, training={training}")
            state = module.state_dict()
            for key, value in running.items():
                np.testing.assert_allclose(state[key].numpy(), value, rtol=1e-4, atol=1e-5, err_msg=key)


def put(module, weights):
    """Set the module's weights and statistics, in the dtype they have (load_state_dict keeps the module's)."""
    for key, value in weights.items():
        target = module
        for part in key.split(".")[:-1]:
            target = getattr(target, part)
        setattr(target, key.split(".")[-1], exact(value))


@pytest.mark.parametrize("options", [dict(), dict(descriptor="max", position="none")], ids=name_of)
def test_forms_have_equal_gradients_and_statistics(rng, inputs, options):
    """In float64: in float32 the forms round differently, and a value beside the kink of a ReLU has another gradient."""
    features, rois = inputs
    _, weights = make(rng, **options)
    weights = {k: v.astype(np.float64) for k, v in weights.items()}
    results = []
    with jt.flag_scope(auto_convert_64_to_32=0):
        loss_weight = exact(rng.standard_normal((6, C, N)))
        for form in ("fast", "straightforward"):
            module = SemanticRoIAlign(form=form, **{**SMALL, **options})
            put(module, weights)
            maps = exact(features.astype(np.float64))
            names, trained = zip(*[(k, p) for k, p in module.named_parameters() if k not in BATCH_NORMS])
            out = module(maps, exact(rois.astype(np.float64)), 0.25)
            grads = jt.grad((out * loss_weight).sum(), [maps, *trained])
            jt.sync(grads)
            state = module.state_dict()
            values = [g.numpy() for g in grads] + [state[k].numpy() for k in BATCH_NORMS]
            results.append(dict(zip(["features", *names, *BATCH_NORMS], values)))
    for key, value in results[1].items():
        assert str(value.dtype) == "float64", key
        scale = max(1.0, np.abs(value).max())
        assert np.abs(results[0][key] - value).max() <= 1e-9 * scale, key


def test_gradient_in_float64(rng, inputs):
    """Differences through the whole module, training mode, along random directions of every input."""
    features, rois = inputs
    with jt.flag_scope(auto_convert_64_to_32=0):
        module, weights = make(rng)
        weights = {k: v.astype(np.float64) for k, v in weights.items()}
        trained = [k for k in weights if k not in BATCH_NORMS]
        loss_weight = exact(rng.standard_normal((6, C, N)))
        boxes = exact(rois.astype(np.float64))

        def loss(values):
            put(module, {key: values[key] for key in weights})
            maps = exact(values["features"])
            return maps, (module(maps, boxes, 0.25) * loss_weight).sum()

        values = {**weights, "features": features.astype(np.float64)}
        maps, value = loss(values)
        parameters = dict(module.named_parameters())
        grads = jt.grad(value, [maps] + [parameters[k] for k in trained])
        jt.sync(grads)
        for key, grad in zip(["features", *trained], grads):
            assert str(grad.dtype) == "float64", key
            direction = rng.standard_normal(values[key].shape)

            def along(step, key=key, direction=direction):
                return float(loss({**values, key: values[key] + step * direction})[1].numpy()[0])

            slope, differences = float((grad.numpy() * direction).sum()), derivatives(along, steps=(1e-6, 1e-8))
            assert any(abs(d - slope) <= 1e-5 * max(1, abs(d)) for d in differences), key


def test_no_rois_train_and_change_nothing(rng):
    """A training step on no RoIs, by both forms; four RoIs, in the same way, move all of it."""
    features = jt.array(rng.standard_normal((1, C, 6, 6)).astype(np.float32))
    for form in ("fast", "straightforward"):
        for rois in (np.zeros((0, 5)), random_rois(rng, 4, 1, 8, 8, low=8, high=16)):
            module, weights = make(rng, form)
            module.train()
            rois = jt.array(rois.astype(np.float32))
            out = module(features, rois, 0.25)
            assert list(out.shape) == [len(rois), C, N]
            names, trained = zip(*[(k, p) for k, p in module.named_parameters() if k not in BATCH_NORMS])
            grads = jt.grad((out * out).sum(), [features, *trained])
            jt.sync([*grads, *module.state_dict().values()])
            moved = {k for k, g in zip(["features", *names], grads) if not np.array_equal(g.numpy(), np.zeros(g.shape))}
            state = module.state_dict()
            moved |= {k for k in BATCH_NORMS if not np.array_equal(state[k].numpy(), weights[k])}
            if len(rois):
                # A softmax over positions does not change with what is added to all positions, a batch norm not with what
                # is added to all its rows: these two gradients are zero except for rounding.
                assert moved >= {"features", *names, *BATCH_NORMS} - {"fc2.bias", "descriptor.bias"}, form
            else:
                assert not moved, form
                assert module.masks(features, rois, 0.25) == []


@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[1], OPTIONS[3], OPTIONS[9]], ids=name_of)
@pytest.mark.parametrize("form", ["fast", "straightforward"])
def test_absent_rois_change_nothing(rng, inputs, options, form):
    """Rows of a negative batch index get zeros; the others, the statistics and the gradients are as without them."""
    features, rois = inputs
    padded = np.insert(rois, [0, 3, 3, 6], [[-1, 1, 1, 9, 9]], axis=0)
    real = padded[:, 0] >= 0
    results = []
    for own in (rois, padded):
        module, _ = make(np.random.default_rng(1), form, **options)
        maps = jt.array(features)
        out = module(maps, jt.array(own), 0.25)
        weight = jt.array(np.random.default_rng(2).standard_normal((6, C, N)).astype(np.float32))
        kept = out if out.shape[0] == 6 else out[jt.array(np.flatnonzero(real).astype(np.int32))]
        grads = jt.grad((kept * weight).sum(), [maps, module.fc1.weight])
        jt.sync([out, *grads])
        state = module.state_dict()
        results.append([out.numpy(), *(g.numpy() for g in grads), *(state[k].numpy() for k in BATCH_NORMS if k in state)])
    alone, mixed = results
    assert np.abs(mixed[0][~real]).max() == 0
    np.testing.assert_allclose(mixed[0][real], alone[0], atol=1e-5)
    for got, expected in zip(mixed[1:], alone[1:]):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_only_absent_rois(rng):
    module, weights = make(rng)
    out = module(jt.randn(1, C, 6, 6), jt.array(np.float32([[-1, 0, 0, 9, 9]] * 3)), 0.25)
    assert out.numpy().shape == (3, C, N) and np.abs(out.numpy()).max() == 0
    assert np.array_equal(module.norm1.running_mean.numpy(), weights["norm1.running_mean"])


def test_masks_for_drawing(rng, inputs):
    features, rois = inputs
    module, weights = make(rng)
    module.eval()
    masks = module.masks(jt.array(features), jt.array(rois), 0.25)
    for got, expected in zip(masks, transcribe(weights, features, rois, False, {})[1]):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=1e-5)
        np.testing.assert_allclose(got.sum(axis=(1, 2)), 1, atol=1e-5)


def test_work_is_linear_in_the_positions(rng, inputs):
    """T is the sum of the grids' areas, never K * M, and every array of the module has T rows or fewer."""
    features, rois = inputs
    module, _ = make(rng)
    module.eval()
    once, packing = module.sample(jt.array(features), jt.array(rois), 0.25)
    assert packing.total == packing.grids.numpy().prod(axis=1).sum() == once.shape[0] <= len(rois) * M
    twice, doubled = module.sample(jt.array(features), jt.array(np.concatenate([rois, rois])), 0.25)
    assert doubled.total == 2 * packing.total
    assert list(module.logits(twice, doubled).shape) == [2 * packing.total, N]
    out = module(jt.array(features), jt.array(rois), 0.25).numpy()
    again = module(jt.array(features), jt.array(np.concatenate([rois, rois])), 0.25).numpy()
    np.testing.assert_allclose(again, np.concatenate([out, out]), atol=1e-5)


def test_parameters_of_the_paper():
    """By hand, N = 49: descriptor 256 * 256 + 256; semantic (256 + 128) * 128 + 128; norm1 2 * 384; fc1 384 * 256 + 256;
    norm2 2 * 256; fc2 256 * 49 + 49. Sum 227,505: 41.753056 M + 0.227505 M = 41.98 M, the paper's 42.0."""
    module = SemanticRoIAlign()
    assert sum(p.numel() for k, p in module.named_parameters() if "running" not in k) == 227_505
    names = {k.rsplit(".", 1)[0] for k in module.state_dict()}
    assert names == {"descriptor", "semantic", "norm1", "fc1", "norm2", "fc2"}


def test_initial_masks_are_of_places_neither_flat_nor_saturated(rng):
    module = SemanticRoIAlign(in_channels=32, gamma=50.0)
    rois = np.array([[0, 0, 0, 60, 60], [0, 60, 60, 120, 120]], np.float32)
    features = jt.array(rng.standard_normal((1, 32, 32, 32)).astype(np.float32))
    first, second = (m.reshape(49, 64) for m in module.masks(features, jt.array(rois), 0.25))
    # Effective number of positions of a mask: e^entropy, of 64.
    effective = np.exp(-(first * np.log(first)).sum(axis=1)).mean()
    assert 4 < effective < 40
    logs = [np.log(m) - np.log(m).mean(axis=1, keepdims=True) for m in (first, second)]
    # Of places, whatever lies there: about 0.6, with PyTorch's weights 0.3.
    assert np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1] > 0.45


def test_in_the_extractor_of_a_pyramid(rng, inputs):
    _, rois = inputs
    module, _ = make(rng, num_masks=9)
    module.eval()
    extractor = FPNRoIExtractor(module, out_channels=C, featmap_strides=(4, 8), finest_scale=8)
    fine, coarse = jt.randn(2, C, 16, 16), jt.randn(2, C, 8, 8)
    out = extractor([fine, coarse], jt.array(rois)).numpy()
    assert out.shape == (6, C, 3, 3)
    on_fine = module(fine, jt.array(rois), 1 / 4).numpy().reshape(6, C, 3, 3)
    on_coarse = module(coarse, jt.array(rois), 1 / 8).numpy().reshape(6, C, 3, 3)
    sides = np.sqrt((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2]))
    for k, side in enumerate(sides):
        np.testing.assert_allclose(out[k], (on_coarse if side >= 16 else on_fine)[k], atol=1e-5)


def test_bad_options():
    with pytest.raises(ValueError, match="descriptor must be one of none, avg, max, concat, got 'mean'"):
        SemanticRoIAlign(descriptor="mean")
    with pytest.raises(ValueError, match="'concat' needs a fixed grid"):
        SemanticRoIAlign(descriptor="concat")
    with pytest.raises(ValueError, match="all off"):
        SemanticRoIAlign(descriptor="none", semantic=False, position="none")
    with pytest.raises(ValueError, match="expected 8 channels"):
        SemanticRoIAlign(in_channels=8)(jt.randn(1, 4, 5, 5), jt.zeros((1, 5)), 1.0)


def test_training_keeps_a_few_arrays_of_positions(rng):
    """Jittor's own products expand one of the gradients to T x C x 128 numbers, here 400 MB."""
    module = SemanticRoIAlign(in_channels=128)
    corners, sizes = rng.uniform(0, 60, (120, 2)), rng.uniform(8, 60, (120, 2))
    rois = jt.array(np.concatenate([np.zeros((120, 1)), corners, corners + sizes], axis=1).astype(np.float32))
    features = jt.array(rng.standard_normal((1, 128, 32, 32)).astype(np.float32))
    weights = [p for p in module.parameters() if not p.is_stop_grad()]
    jt.sync([rois, features, *weights])
    jt.gc()
    before = jt.get_mem_info().total_cpu_used
    jt.sync(jt.grad((module(features, rois, 0.25) ** 2).sum(), [features, *weights]))
    assert jt.get_mem_info().total_cpu_used - before < 100e6
