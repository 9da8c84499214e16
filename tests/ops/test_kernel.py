import os

import jittor as jt
import numpy as np
import pytest

from jsra import resources
from jsra.ops import kernel
from jsra.runtime import memory

CPU = """
#pragma once
#include "common/list.h"
namespace jsra {
namespace cpu {
template <class T>
void gateway_forward(Pointers<T> x, const int32_t* index, T* sum, Pointers<T> copies, int64_t count, int64_t first,
                     double scale, Ints shifts, Floats weights) {
  for (int64_t i = 0; i < count; ++i) {
    sum[i] = T(scale) * x.at[0][i] + T(weights.at[0]) * x.at[1][i] + T(weights.at[1]) + T(first + shifts.at[2] + index[i]);
    copies.at[0][i] = x.at[0][i];
    copies.at[1][i] = x.at[1][i];
  }
}
}  // namespace cpu
}  // namespace jsra
"""
BROKEN = """
#pragma once
namespace jsra {
namespace cpu {
template <class T> void broken_forward(const T* x, T* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = x[i] + no_such_name;
}
}  // namespace cpu
}  // namespace jsra
"""
CUDA = """
#pragma once
#include "common/launch.h"
#include "common/list.h"
namespace jsra {
namespace cuda {
// Reverses each block of 4 through shared memory: fibers must meet at the barrier.
template <class T> __global__ void reverse_kernel(const T* x, T* out) {
  JSRA_DYNAMIC_SHARED(T, tile);
  tile[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}
template <class T>
void gateway_reverse(const T* x, T* out, int64_t count, int64_t threads, int64_t shared, cudaStream_t stream) {
  auto* kernel = reverse_kernel<T>;
  if (count) JSRA_LAUNCH(kernel, (unsigned int)(count / threads), threads, shared, stream, x, out);
}
}  // namespace cuda
}  // namespace jsra
"""


@pytest.fixture
def gateway(tmp_path, monkeypatch):
    """A folder of kernels of the test's own next to cuda_src/common; its path has a space, as that of a checkout may."""
    folder = tmp_path / "with a space"
    (folder / "gateway").mkdir(parents=True)
    (folder / "broken").mkdir()
    os.symlink(os.path.join(resources.folder("cuda_src"), "common"), folder / "common")
    (folder / "broken" / "cpu.h").write_text(BROKEN)
    (folder / "gateway" / "cpu.h").write_text(CPU)
    (folder / "gateway" / "reverse.cuh").write_text(CUDA)
    monkeypatch.setattr(resources, "folder", lambda name: str(folder))


def test_inputs_outputs_and_scalars_arrive_in_order(gateway):
    x, y = np.arange(4, dtype=np.float32), np.array([5, 7, 1, 2], np.float32)
    index = np.array([10, 20, 30, 40], np.int32)
    out, first, second = kernel.run(
        "gateway",
        "forward",
        [[jt.array(x), jt.array(y)], jt.array(index)],
        [((4,), "float32"), [((4,), "float32"), ((4,), "float32")]],
        count=4,
        first=np.int64(1000),
        scale=np.float32(2.5),
        shifts=[1, 2, 300],
        weights=(0.5, 10000),
    )
    assert np.allclose(out.numpy(), 2.5 * x + 0.5 * y + 10000 + 1000 + 300 + index)
    assert np.array_equal(first.numpy(), x) and np.array_equal(second.numpy(), y)


def test_a_kernel_that_does_not_compile_says_what_the_compiler_said(gateway):
    with pytest.raises(kernel.KernelError, match="kernel broken_forward does not compile.*\n.*no_such_name") as caught:
        kernel.run("broken", "forward", [jt.ones((3,))], [((3,), "float32")], count=3)
    assert len(str(caught.value).splitlines()) < 12 and "Give all Vars one type" not in str(caught.value)
    assert f"{resources.folder('cuda_src')}/broken/cpu.h:6:" in str(caught.value), "the file that one can mend"
    with pytest.raises(kernel.KernelError, match="its inputs are float32 and float64. Give all Vars one type"):
        mixed = [jt.ones((3,)), jt.ones((3,), dtype="float64")]
        kernel.run("broken", "forward", mixed, [((3,), "float32")], count=3)
    # Jittor goes on working.
    assert jt.ones((2,)).sum().item() == 2


@pytest.mark.parametrize(
    "said, kind, words",
    [
        ("Wrong inputs\n" * 20 + "no disk", kernel.KernelError, "does not compile.*\n(Wrong inputs\n){7}no disk$"),
        ("Cannot allocate memory", MemoryError, "not enough memory: `ulimit -v` allows this process 4096 MiB"),
    ],
)
def test_what_jittor_says_before_the_compiler_runs(gateway, monkeypatch, said, kind, words):
    def fail(*args, **kwargs):
        raise RuntimeError(said)

    monkeypatch.setattr(memory, "_limit", lambda: (2**32, "ulimit -v"))
    monkeypatch.setattr(kernel.jt, "sync", fail)
    with pytest.raises(kind, match=words):
        kernel.run("broken", "forward", [jt.ones((3,))], [((3,), "float32")], count=3)


def test_the_first_use_of_a_kernel_executes_nothing_else(gateway):
    """Else the first step of a process is fused, and rounded, otherwise than a later one, and than a resumed one."""
    pending = jt.array(np.arange(4, dtype=np.float32)) * 3
    x = jt.ones((4,))
    out = kernel.run(
        "gateway", "forward", [[x, x], jt.zeros((4,), dtype="int32")],
        [((4,), "float32"), [((4,), "float32"), ((4,), "float32")]],
        count=4, first=0, scale=1.0, shifts=[0, 0, 0], weights=(2.0, 5.0),
    )[0]  # fmt: skip
    assert ":s0:" in pending.debug_msg() and ":s0:" in x.debug_msg(), "executed"
    assert out.tolist() == [8] * 4 and pending.tolist() == [0, 3, 6, 9]
    assert ":s1:" in pending.debug_msg()


def reverse(x, threads=4, shared=16):
    out = [((len(x),), "float32")]
    return kernel.run("gateway", "reverse", [x], out, count=len(x), threads=threads, shared=shared).numpy()


def test_backend_runs_the_cuda_file_on_the_host(gateway):
    with kernel.backend("host_cuda"):
        assert kernel.runs_cuda_files()
        assert reverse(jt.array(np.arange(8, dtype=np.float32))).tolist() == [3, 2, 1, 0, 7, 6, 5, 4]
    assert kernel.runs_cuda_files() == bool(jt.flags.use_cuda)


REFUSED = [
    (dict(threads=2048), "2048 threads"),
    (dict(shared=60 << 10), "61440 bytes of dynamic shared memory"),
]


@pytest.mark.parametrize("change, message", REFUSED)
def test_a_launch_that_no_gpu_takes_is_an_error_with_its_name(gateway, change, message):
    x = jt.ones((4096,))
    message = f"kernel of gateway_reverse was not launched: .*{message}"
    with kernel.backend("host_cuda"), pytest.raises(RuntimeError, match=message):
        reverse(x, **change)
    assert x.sum().item() == 4096, "Jittor goes on working"


@pytest.mark.parametrize("change, message", [*REFUSED[:1], (dict(shared=1 << 20), "1048576 bytes of dynamic shared memory")])
def test_a_launch_that_the_gpu_refuses_is_an_error_with_its_name(gateway, gpu, change, message):
    x = jt.ones((4096,))
    with pytest.raises(RuntimeError, match=f"kernel of gateway_reverse was not launched: .*{message}"):
        reverse(x, **change)
    assert x.sum().item() == 4096, "Jittor goes on working"


def test_bad_lists_and_backends_are_refused():
    nine = [jt.ones((1,))] * 9
    with pytest.raises(ValueError, match="lists of 1 to 8 arrays, not 9"):
        kernel.run("gateway", "forward", [nine], [((1,), "float32")])
    with pytest.raises(ValueError, match="shifts: a kernel takes lists of up to 8 numbers, not 9"):
        kernel.run("gateway", "forward", [nine[0]], [((1,), "float32")], shifts=list(range(9)))
    with pytest.raises(ValueError, match="'gpu' is none of native, host_cuda"):
        with kernel.backend("gpu"):
            pass
