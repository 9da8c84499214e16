"""The settings of arithmetic on a GPU, tested without one: what they set, and how the cuDNN header uses it."""

import os
import shutil
import subprocess

import jittor as jt
import pytest

from jsra.registry import ConfigError
from jsra.runtime import arithmetic, cuda_root, device

# Of cuDNN only what the header uses. Each function says what it was given.
INSTALLED = """
#include <cstddef>
#include <cstdio>
#define CUDNN_MAJOR 8
enum cudnnStatus_t { CUDNN_STATUS_SUCCESS, CUDNN_STATUS_NOT_SUPPORTED };
enum cudnnMathType_t { CUDNN_DEFAULT_MATH, CUDNN_TENSOR_OP_MATH, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION, CUDNN_FMA_MATH };
enum cudnnDataType_t { CUDNN_DATA_FLOAT, CUDNN_DATA_HALF, CUDNN_DATA_BFLOAT16 };
enum cudnnConvolutionMode_t { CUDNN_CROSS_CORRELATION };
enum cudnnDeterminism_t { CUDNN_NON_DETERMINISTIC, CUDNN_DETERMINISTIC };
typedef void *cudnnHandle_t, *cudnnConvolutionDescriptor_t, *cudnnTensorDescriptor_t, *cudnnFilterDescriptor_t;
struct Perf { cudnnStatus_t status; size_t memory; cudnnDeterminism_t determinism; };
typedef Perf cudnnConvolutionFwdAlgoPerf_t, cudnnConvolutionBwdDataAlgoPerf_t, cudnnConvolutionBwdFilterAlgoPerf_t;
inline cudnnStatus_t cudnnSetConvolutionNdDescriptor(void*, int, const int*, const int*, const int*, cudnnConvolutionMode_t,
                                                     cudnnDataType_t compute) {
  return std::printf("compute %d\\n", compute), CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetConvolutionMathType(void*, cudnnMathType_t math) {
  return std::printf("math %d\\n", math), CUDNN_STATUS_SUCCESS;
}
#define ALGORITHMS(name)                                                                                   \\
  inline cudnnStatus_t name(void*, void*, void*, void*, void*, int, int* count, Perf* found) {             \\
    const size_t MB = 1 << 20;                                                                             \\
    found[0] = {CUDNN_STATUS_SUCCESS, 300 * MB, CUDNN_NON_DETERMINISTIC};                                  \\
    found[1] = {CUDNN_STATUS_SUCCESS, 50 * MB, CUDNN_NON_DETERMINISTIC};                                   \\
    found[2] = {CUDNN_STATUS_NOT_SUPPORTED, 0, CUDNN_DETERMINISTIC};                                       \\
    found[3] = {CUDNN_STATUS_SUCCESS, 100 * MB, CUDNN_DETERMINISTIC};                                      \\
    return *count = 4, CUDNN_STATUS_SUCCESS;                                                               \\
  }
ALGORITHMS(cudnnGetConvolutionForwardAlgorithm_v7)
ALGORITHMS(cudnnGetConvolutionBackwardDataAlgorithm_v7)
ALGORITHMS(cudnnGetConvolutionBackwardFilterAlgorithm_v7)
"""
# As Jittor's operators use it: the first algorithm whose status is SUCCESS.
PROGRAM = """
#include "cudnn.h"
template <class F> int first(F function) {
  Perf found[4];
  int count;
  function(0, 0, 0, 0, 0, 4, &count, found);
  for (int i = 0; i < count; ++i) if (found[i].status == CUDNN_STATUS_SUCCESS) return i;
  return -1;
}
int main() {
  for (auto type : {CUDNN_DATA_FLOAT, CUDNN_DATA_HALF})
    cudnnSetConvolutionNdDescriptor(0, 2, 0, 0, 0, CUDNN_CROSS_CORRELATION, type);
  cudnnSetConvolutionMathType(0, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION);
  std::printf("%d %d %d\\n", first(cudnnGetConvolutionForwardAlgorithm_v7),
              first(cudnnGetConvolutionBackwardDataAlgorithm_v7), first(cudnnGetConvolutionBackwardFilterAlgorithm_v7));
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    folder = tmp_path_factory.mktemp("cudnn")
    (folder / "cudnn_installed.h").write_text(INSTALLED)
    (folder / "main.cc").write_text("#include <initializer_list>\n" + PROGRAM)
    shutil.copy(os.path.join(cuda_root._SHIMS, "cudnn.h"), folder)
    subprocess.run(["g++", "-std=c++14", "-o", folder / "main", folder / "main.cc"], check=True)
    return str(folder / "main")


@pytest.mark.parametrize(
    "limit, deterministic, chosen",
    [
        (None, "", 0),
        ("1024", "0", 0),
        ("200", "0", 1),
        ("200", "1", 3),
        ("60", "1", 3),  # none fits: the least of those that may be taken
        ("10", "0", 1),
    ],
)
def test_the_header_chooses(program, limit, deterministic, chosen):
    environment = {"JSRA_CUDNN_DETERMINISTIC": deterministic}
    if limit:
        environment["JSRA_CUDNN_WORKSPACE_MB"] = limit
    lines = subprocess.run([program], env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    # float32: computed in float32 (0), math FMA (3); float16: computed in float32, nothing else; conversion becomes TF32 (1).
    assert lines == ["compute 0", "math 3", "compute 0", "math 1", f"{chosen} {chosen} {chosen}"]


def test_settings(monkeypatch, tmp_path):
    if jt.flags.use_cuda:
        pytest.skip("there is a GPU")
    monkeypatch.delenv("JSRA_CUDNN_WORKSPACE_MB", raising=False)
    monkeypatch.setenv("JSRA_CUDNN_DETERMINISTIC", "")
    assert arithmetic.set_arithmetic(deterministic=True) == ""
    assert (os.environ["JSRA_CUDNN_DETERMINISTIC"], os.environ["JSRA_CUDNN_WORKSPACE_MB"]) == ("1", "1024")
    monkeypatch.setenv("JSRA_CUDNN_WORKSPACE_MB", "64")
    arithmetic.set_arithmetic()
    assert (os.environ["JSRA_CUDNN_DETERMINISTIC"], os.environ["JSRA_CUDNN_WORKSPACE_MB"]) == ("0", "64")


def test_on_a_gpu_the_log_says_it(gpu):
    assert "no TF32; any algorithm" in arithmetic.set_arithmetic()
    assert not jt.flags.use_tensorcore
    assert "TF32 in convolutions and matrix products; only deterministic" in arithmetic.set_arithmetic(True, True)
    assert jt.flags.use_tensorcore == 1
    arithmetic.set_arithmetic()


@pytest.mark.parametrize("key", ["tf32", "deterministic"])
def test_a_wrong_setting_of_a_config(key, tmp_path):
    from jsra.engine.build import build_run

    parts = dict(model=dict(type="FasterRCNN"), dataset=dict(train=dict(type="COCODataset")), optimizer=dict(type="SGD"))
    config = dict(**parts, max_iter=1, work_dir=str(tmp_path))
    with pytest.raises(ConfigError, match=f"{key}: expected True or False, got 'yes'"):
        build_run({**config, key: "yes"})


def test_every_command_takes_the_config_s_settings(monkeypatch):
    taken = []
    monkeypatch.setattr(device, "set_arithmetic", lambda **settings: taken.append(settings))
    device.use_best_device({"tf32": True})
    device.use_best_device({"deterministic": True})
    assert taken == [{"tf32": True, "deterministic": False}, {"tf32": False, "deterministic": True}]
    with pytest.raises(ConfigError, match="tf32: expected True or False, got 1"):
        device.use_best_device({"tf32": 1})
    monkeypatch.setenv("JSRA_DEVICE", "gpu")
    with pytest.raises(ConfigError, match="JSRA_DEVICE='gpu': it can be cpu or cuda"):
        device.use_best_device()
