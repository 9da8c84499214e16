"""Small directory trees of empty files with the layout of NVIDIA's wheels and toolkits."""

import os

LIBRARIES = {"cublas": "13", "curand": "10", "cufft": "12", "cusparse": "12"}
HEADERS = {"cublas": "cublas_v2.h", "curand": "curand.h", "cufft": "cufft.h", "cusparse": "cusparse.h"}


def write(path, text="", mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf8") as f:
        f.write(text)
    os.chmod(path, mode)


def compiler(root, cudart, cuda=13000, lib="lib", cub=300001, cccl="include/cccl"):
    """nvcc with its helpers, the runtime and CCCL."""
    write(f"{root}/bin/nvcc", '#!/bin/sh\nprintf "%s\\n" "$@"\n', 0o755)
    write(f"{root}/nvvm/bin/cicc")
    write(f"{root}/include/crt/host_config.h")
    write(f"{root}/include/cuda_runtime.h")
    write(f"{root}/include/cuda_runtime_api.h", f"#define CUDART_VERSION {cuda}\n")
    write(f"{root}/{cccl}/cub/version.cuh", f"#define CUB_VERSION {cub}\n")
    write(f"{root}/{lib}/libcudart.so.{cudart}")
    write(f"{root}/{lib}/libcudadevrt.a")


def libraries(root, lib="lib", **versions):
    for name, version in {**LIBRARIES, **versions}.items():
        write(f"{root}/include/{HEADERS[name]}")
        write(f"{root}/{lib}/lib{name}.so.{version}")


def cudnn(root, version, lib="lib"):
    major, minor, patch = version.split(".")
    numbers = f"#define CUDNN_MAJOR {major}\n#define CUDNN_MINOR {minor}\n#define CUDNN_PATCHLEVEL {patch}\n"
    write(f"{root}/include/cudnn.h", '#include "cudnn_version.h"\n')
    write(f"{root}/include/cudnn_version.h", numbers)
    parts = ("ops", "cnn", "graph") if major == "9" else ("ops_infer", "ops_train", "cnn_infer", "cnn_train")
    for name in ("cudnn", *(f"cudnn_{part}" for part in parts)):
        write(f"{root}/{lib}/lib{name}.so.{major}")


def wheels(site, cudnn_for="13"):
    """All the wheels of jsra[cuda13] in a site-packages directory; returns its `nvidia` folder."""
    compiler(f"{site}/nvidia/cu13", "13")
    libraries(f"{site}/nvidia/cu13")
    write(f"{site}/nvidia/cu13/lib/libcublasLt.so.13")
    cudnn(f"{site}/nvidia/cudnn", "9.19.0")
    for wheel in ("cublas-13.1.0.3", "cuda_runtime-13.0.96", f"cudnn_cu{cudnn_for}-9.19.0.56"):
        write(f"{site}/nvidia_{wheel}.dist-info/METADATA")
    return f"{site}/nvidia"
