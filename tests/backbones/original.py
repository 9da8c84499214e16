"""A backbone held against its original in PyTorch, with the vectors of a make_*.py."""

import functools

import jittor as jt
import numpy as np

from jsra.convert.convert import to_jsra
from jsra.convert.load import load_arrays


class _Model(jt.nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone


def in_its_place(backbone):
    """A model that has nothing but a backbone."""
    return _Model(backbone)


@functools.lru_cache(None)
def read(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def check(model, arrays, case, by_file_names, family):
    """Load the weights 'w.*' of the file, and compare with its arrays '<case>/*'.

    by_file_names: {name: array} by the names of the original model -> by those of its files, which `jsra convert` reads.
    Maps within 1e-4, gradients within 1e-3 of the largest value.
    """
    weights = by_file_names({name[2:]: array for name, array in arrays.items() if name.startswith("w.")})
    report = load_arrays(model, weights, "the original", family=family)
    assert not report.missing and not report.unexpected and not report.mismatched
    expected = {name[len(case) + 1 :]: array for name, array in arrays.items() if name.startswith(f"{case}/")}
    gradients = {name[2:]: array for name, array in expected.items() if name.startswith("d.")}
    gradients = to_jsra(by_file_names(gradients), family).arrays
    assert len(gradients) == 3
    model.train()
    image, state = jt.array(expected["image"]), model.state_dict()
    maps = model.backbone(image)
    assert len(maps) == 4
    loss = sum(((m * jt.array(expected[f"dout{i}"])).sum() for i, m in enumerate(maps)), jt.zeros(1))
    found = jt.grad(loss, [image, *(state[name] for name in gradients)])
    jt.sync([*maps, *found])
    for i, m in enumerate(maps):
        _close(m.numpy(), expected[f"out{i}"], 1e-4, f"map {i}")
    _close(found[0].numpy(), expected["dimage"], 1e-3, "gradient of the image")
    for name, gradient in zip(gradients, found[1:]):
        _close(gradient.numpy(), gradients[name], 1e-3, f"gradient of {name}")


def _close(found, expected, tolerance, what):
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"{what}: {error:.1e} of the largest")
    assert error <= tolerance, f"{what}: differs by {error:.1e} of the largest"
