"""For all tests: a seed per test, repetitions with new seeds (--fuzz), the device axis, the paths of real data."""

import os
import sys
import zlib

import numpy as np
import pytest

import jsra  # noqa: F401  (prepares the process before anything imports Jittor)

SHARED = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "shared"))


def shared(*parts) -> str:
    """The path of a file of the shared data; the test is skipped where it is absent."""
    path = os.path.join(SHARED, *parts)
    if not os.path.exists(path):
        pytest.skip(
            f"needs the shared data ({os.path.join('..', 'shared', *parts)}), which is not found next to this checkout"
        )
    return path


def pytest_addoption(parser):
    parser.addoption(
        "--fuzz", type=int, default=0, metavar="N", help="replay every test that takes rng or seed N times with fresh seeds"
    )
    parser.addoption("--gpu", action="store_true", help="run what needs a GPU and nothing else")


def pytest_generate_tests(metafunc):
    count = metafunc.config.getoption("--fuzz")
    if count and "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", (np.random.SeedSequence().generate_state(count) % 2**31).tolist(), indirect=True)


def pytest_collection_modifyitems(config, items):
    def keep(wanted):
        config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
        items[:] = [item for item in items if wanted(item)]

    def needs_gpu(item):
        return "gpu" in item.fixturenames or "device" in item.fixturenames and "[cuda" in item.nodeid

    if config.getoption("--gpu"):
        keep(needs_gpu)
    if config.getoption("--fuzz"):
        keep(lambda item: "seed" in item.fixturenames and (config.getoption("--gpu") or not needs_gpu(item)))


@pytest.fixture
def seed(request):
    """JSRA_TEST_SEED, else a number made from the test's name: the same in every run. Under --fuzz a fresh one."""
    name = request.node.nodeid
    value = int(os.environ.get("JSRA_TEST_SEED") or getattr(request, "param", zlib.crc32(name.encode()) % 2**31))
    print(f"seed: rerun with JSRA_TEST_SEED={value} pytest {name}")
    return value


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def global_seed(request):
    """Jittor draws weights from one global seed, which is the time of its import: set it, so that runs repeat."""
    if "jittor" in sys.modules:
        from jsra.runtime.seed import set_seed

        set_seed(request.getfixturevalue("seed") if "seed" in request.fixturenames else 0)


@pytest.fixture
def gpu():
    """Run the test on the GPU; it is skipped where there is none."""
    import jittor as jt

    if not jt.has_cuda:
        pytest.skip("needs an NVIDIA GPU")
    jt.sync_all()
    jt.flags.use_cuda = 1
    yield
    jt.sync_all()
    jt.flags.use_cuda = 0


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """'cpu', then 'cuda' where there is a GPU: where Jittor computes during the test."""
    if request.param == "cuda":
        request.getfixturevalue("gpu")
    return request.param
