"""How float32 is computed on a GPU: settings of Jittor and of the cuDNN header that it compiles (cuda_shims/cudnn.h)."""

from __future__ import annotations

import os

from jsra.registry import ConfigError

WORKSPACE_MB = 1024  # limit of one convolution's extra memory; exceeded only if every algorithm needs more


def set_arithmetic(tf32: bool = False, deterministic: bool = False) -> str:
    """Set how a GPU computes; returns one sentence for the log, '' on the CPU.

    Args:
        tf32: let convolutions and matrix products of float32 run on tensor cores, which round their inputs to 10 bits.
        deterministic: use only cuDNN algorithms that give the same bits in every run; slower if the fastest is not one of
            them. Jittor's own scatter (the gradient of x[index] with repeated indices) still adds in any order.

    cuDNN's own heuristic chooses the algorithm for each shape. Jittor's search would try all algorithms for every new shape
    (a dataset of real images has hundreds of them), remember only the first 100, and use one found with float16 for float32
    too. The workspace is limited to WORKSPACE_MB, or $JSRA_CUDNN_WORKSPACE_MB.
    """
    import jittor as jt

    os.environ["JSRA_CUDNN_DETERMINISTIC"] = str(int(deterministic))
    os.environ.setdefault("JSRA_CUDNN_WORKSPACE_MB", str(WORKSPACE_MB))
    if not jt.flags.use_cuda:
        return ""
    jt.flags.use_tensorcore = int(tf32)
    if jt.cudnn is not None:
        jt.cudnn.set_algorithm_cache_size(0)
    if not _has_own_header():
        return "float32: as cuDNN decides, which may be TF32 (tf32 and deterministic need CUDA 12.8 or later)"
    order = "only deterministic algorithms of cuDNN" if deterministic else "any algorithm of cuDNN"
    return f"float32: {'TF32 in convolutions and matrix products' if tf32 else 'no TF32'}; {order}"


def arithmetic_of(config) -> dict:
    """The arguments of set_arithmetic from a config: its keys tf32 and deterministic, False if absent."""
    values = {key: config.get(key) or False for key in ("tf32", "deterministic")}
    for key, value in values.items():
        if not isinstance(value, bool):
            raise ConfigError(f"{key}: expected True or False, got {value!r}")
    return values


def _has_own_header() -> bool:
    """Whether Jittor was compiled against cuda_shims/cudnn.h: in a merged root, see cuda_root."""
    root = os.path.dirname(os.path.dirname(os.environ.get("nvcc_path", "")))
    return os.path.exists(os.path.join(root, "include", "cudnn_installed.h"))
