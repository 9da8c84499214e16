"""What a run refuses before it begins."""

import pytest

from jsra.config import load_config
from jsra.engine.run import build_run
from jsra.registry import ConfigError
from tests.toy_detector import write_config


@pytest.mark.parametrize(
    "change, words",
    [
        ("max_epoch=0", "max_epoch: expected a whole number of at least 1, got 0"),
        ("max_epoch=1.5", "max_epoch: expected a whole number"),
        ("eval_interval=-1", "eval_interval: expected a whole number of at least 0"),
        ("checkpoint_interval=true", "checkpoint_interval: expected a whole number"),
        ("log_interval=0", "log_interval: .* at least 1"),
        ("+scale_lr_base_batch=0", "scale_lr_base_batch: .* at least 1"),
        ("optimizer.lr=-1", "optimizer.lr must be a number that is not negative, it is -1"),
        ("optimizer.lr=.nan", "optimizer.lr must be a number that is not negative"),
        ("+optimizer.grad_clip={max_norm: -1}", "grad_clip.max_norm must be above 0, it is -1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, change, words):
    with pytest.raises(ConfigError, match=words):
        build_run(load_config(write_config(tmp_path), [change]))


def test_a_checkpoint_of_another_batch_size_is_not_resumed(tmp_path):
    """Batch 2 -> 4: its iterations would be taken for twice as many images."""
    path = write_config(tmp_path)
    run = build_run(load_config(path))
    run.save()
    run.close()
    with pytest.raises(ConfigError, match="made with batch_size 2, this run has 4: .*Resume it with the batch size"):
        build_run(load_config(path, ["dataset.train.batch_size=4"]), resume="auto")
    build_run(load_config(path), resume="auto").close()
