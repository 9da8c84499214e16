import jittor as jt
import numpy as np
import pytest

from jsra.engine.optimizer import SGD
from jsra.engine.train import total_loss
from jsra.registry import ConfigError, build
from jsra.runtime.host_reads import count_host_reads
from jsra.test_time import FrameRunner
from jsra.video.embedding import EmbedAggregator
from tests.video.small import MODEL, SIDE, build_fgfa, video


def training_targets(rng, count, references=2):
    images, targets = video(rng, count)
    for i, target in enumerate(targets):
        target.update(
            bboxes=np.float32([[4, 6, 40, 50]]), labels=np.int32([1 + i % 3]),
            references=rng.normal(0, 1, (references, 3, SIDE, SIDE - 8)).astype(np.float32),
        )  # fmt: skip
    return images, targets


def test_a_step_trains_all_parts_and_reads_once(rng):
    """Two key frames with two references each, narrower than the batch: padded as the images are."""
    model = build_fgfa()
    model.train()
    images, targets = training_targets(rng, 2)
    optimizer = SGD(model.parameters(), lr=1e-2)
    names = ("motion.conv1.0.weight", "aggregator.embed_convs.0.weight", "backbone.conv1.weight", "rpn.cls.weight")
    before = {name: model.state_dict()[name].numpy() for name in names}
    for _ in range(2):  # the second is without compilation
        with count_host_reads() as reads:
            losses = model(jt.array(images), targets)
            optimizer.step(total_loss(losses))
            jt.sync_all()
            jt.fetch_sync(list(losses.values()))
    assert len(reads) == 1, reads.places
    assert set(losses) == {"loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_box"}
    for name in names:
        assert np.abs(model.state_dict()[name].numpy() - before[name]).max() > 0, name


def test_the_extractor_is_one_line(rng):
    layer = dict(type="SemanticRoIAlign", in_channels=16, num_masks=9)
    settings = {**MODEL, "roi_head": {**MODEL["roi_head"], "box": {**MODEL["roi_head"]["box"]}}}
    extractor = settings["roi_head"]["box"]["extractor"]
    settings["roi_head"]["box"]["extractor"] = {**extractor, "roi_layer": layer}
    model = build(settings, "model")
    model.train()
    images, targets = training_targets(rng, 1)
    assert np.isfinite(total_loss(model(jt.array(images), targets)).item())


def test_what_training_needs_is_said(rng):
    model = build_fgfa()
    model.train()
    images, targets = training_targets(rng, 2)
    targets[1]["references"] = targets[1]["references"][:1]
    with pytest.raises(ValueError, match=r"have \[2, 1\] references; they must have the same number"):
        model(jt.array(images), targets)
    for target in targets:
        del target["references"]
    with pytest.raises(ValueError, match="needs 'references'.*image 'v0/0' has none: use a VIDDataset with `references`"):
        model(jt.array(images), targets)
    with pytest.raises(ConfigError, match="window counts frames before and after"):
        build({**MODEL, "window": [-1, 2]}, "model")
    with pytest.raises(ConfigError, match="flip: FGFA uses several frames"):
        FrameRunner(model, flip=True)


def test_without_motion_equal_frames_change_nothing(rng):
    """References that are the key frame, joined unwarped, give its own maps, whatever the embedding."""
    model = build_fgfa(motion=None)
    model.eval()
    images, targets = video(rng, 1)
    with jt.no_grad():
        (alone,) = model(jt.array(images), targets)
        (joined,) = model(jt.array(images), [{**targets[0], "references": images[[0, 0, 0]]}])
    np.testing.assert_allclose(joined["boxes"], alone["boxes"], atol=1e-3)
    np.testing.assert_allclose(joined["scores"], alone["scores"], atol=1e-5)


def test_weights_of_the_aggregation_by_hand():
    """Embeddings are the maps themselves: of two others, one along the key's and one across it, the softmax of 1 and 0."""
    aggregator = EmbedAggregator(2, kernel_size=1)
    aggregator.embed_convs[0].weight.update(jt.array(np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1)))
    key = jt.array(np.float32([3, 0]).reshape(1, 2, 1, 1))
    others = jt.array(np.float32([[5, 0], [0, 7]]).reshape(1, 2, 2, 1, 1))
    share = np.e / (np.e + 1)
    np.testing.assert_allclose(aggregator(key, others).numpy().ravel(), [5 * share, 7 * (1 - share)], rtol=1e-5)
    counts = jt.array(np.float32([[1, 3]]))  # as if the second were there three times
    share = np.e / (np.e + 3)
    np.testing.assert_allclose(aggregator(key, others, counts).numpy().ravel(), [5 * share, 7 * (1 - share)], rtol=1e-5)


def test_maps_of_zeros_have_a_gradient():
    """Nothing is divided by the length of an embedding of zeros."""
    aggregator = EmbedAggregator(2)
    key, others = jt.zeros((1, 2, 3, 3)), jt.zeros((1, 2, 2, 3, 3))
    gradient = jt.grad(aggregator(key, others).sum(), others)
    assert np.isfinite(gradient.numpy()).all()
