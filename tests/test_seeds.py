"""Random numbers of the tests: the same in every run, new ones with --fuzz."""

import os
import subprocess
import sys
import zlib

import jittor as jt

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def test_the_seed_is_a_function_of_the_test(request, seed):
    name = request.node.nodeid
    fresh = request.config.getoption("--fuzz") or os.environ.get("JSRA_TEST_SEED")
    assert fresh or seed == zlib.crc32(name.encode()) % 2**31


def test_jittors_numbers_follow_it(seed):
    first = jt.randn(4).numpy()
    jt.set_global_seed(seed, different_seed_for_mpi=False)
    assert (jt.randn(4).numpy() == first).all()


def test_fuzz_replays_the_random_tests_with_seeds_of_their_own():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--fuzz", "3", "tests/test_seeds.py"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["tests/test_seeds.py:", "6"]
