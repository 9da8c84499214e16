import glob
import os
import re
import shutil

import pytest

from tests.gpu import kernel_report
from tests.page import write_section

PTXAS = """\
ptxas info    : Compiling entry function '_ZN4jsra4cuda25masked_sum_forward_kernelIffEEvv' for 'sm_90'
ptxas info    : Function properties for _ZN4jsra4cuda25masked_sum_forward_kernelIffEEvv
    0 bytes stack frame, 8 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 1024 bytes smem, 400 bytes cmem[0]
ptxas info    : Compiling entry function '_ZN4jsra4cuda25masked_sum_forward_kernelIddEEvv' for 'sm_90'
ptxas info    : Used 32 registers, used 0 barriers
"""


def test_reading_the_compiler():
    if not shutil.which("c++filt"):
        pytest.skip("needs c++filt (binutils)")
    found = kernel_report.parse(PTXAS)
    assert found == {("masked_sum_forward_kernel", 90): {"registers": 40, "shared": 1024, "spilled": 8}}


@pytest.mark.parametrize(
    "registers, threads, shared, expected",
    [
        (32, 256, 0, (8, 1.0, "threads")),  # 2048 / 256
        # 40 registers x 32 lanes = 1280 a warp; 65536 / (1280 x 8 warps) = 6 blocks of 8 warps = 48 of 64
        (40, 256, 0, (6, 0.75, "registers")),
        # 33 x 32 = 1056, given out as 1280
        (33, 256, 0, (6, 0.75, "registers")),
        # (228 KiB) / (56 KiB + 1 KiB) = 4 blocks of 4 warps
        (32, 128, 56 << 10, (4, 0.25, "shared memory")),
        (32, 32, 0, (32, 0.5, "blocks")),
    ],
)
def test_occupancy_by_hand(registers, threads, shared, expected):
    use = {"registers": registers, "shared": 0, "spilled": 0}
    assert kernel_report.occupancy(use, threads, shared, 90) == expected


def test_block_sizes_are_read_from_the_launches():
    sizes = kernel_report.block_sizes()
    assert sizes["masked_sum_forward_kernel"] == 256
    assert sizes["roi_align_forward_kernel"] == 128
    assert sizes["nms_sweep_kernel"] == 512


def test_every_kernel_has_a_launch():
    kernels = set()
    for path in glob.glob(os.path.join(kernel_report.CUDA_SRC, "*", "*.cuh")):
        with open(path, encoding="utf8") as f:
            kernels.update(re.findall(r"__global__\s+void\s+(\w+)\(", f.read()))
    assert {"is_finite_kernel", "nms_rank_kernel", "norm_relu_kernel"} <= kernels
    assert kernels == set(kernel_report.block_sizes())


def test_a_section_is_replaced_and_the_rest_kept(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\ntext\n")
    write_section(str(page), "numbers", "1\n")
    write_section(str(page), "other", "x")
    write_section(str(page), "numbers", "2\n3")
    assert page.read_text() == (
        "# Title\n\ntext\n\n<!-- numbers: begin -->\n2\n3\n<!-- numbers: end -->\n\n"
        "<!-- other: begin -->\nx\n<!-- other: end -->\n"
    )
