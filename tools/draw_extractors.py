"""Draw docs/images/extractors/<layer>.jpg: where each RoI layer samples, on one RoI of one real image.

`python tools/draw_extractors.py IMAGE X0,Y0,X1,Y1`. The weights of layers that learn are random (seed 0), scaled so that
something can be seen; the features are random projections of colours and their gradients, at stride 8. So the pictures show
how each layer can sample, not what a trained one does.
"""

import argparse
import os

import jittor as jt
import numpy as np
from PIL import Image

import jsra.roi  # noqa: F401  (registers the layers)
from jsra.registry import build
from jsra.visualize.sampling import draw_sampling, sampling_weights

STRIDE, CHANNELS = 8, 16
FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "images", "extractors")
# Settings, and the deviation of random weights by the names in which they are.
LAYERS = {
    "RoIPool": (dict(output_size=7), {}),
    "RoIAlign": (dict(output_size=7), {}),
    "AdaptiveRoIAlign": (dict(output_size=7, max_pool=False), {}),
    "PreciseRoIAlign": (dict(output_size=7), {}),
    "DeformRoIPoolPack": (dict(output_size=7, in_channels=CHANNELS, fc_channels=64), {"offset_fc.4": 0.2}),
    "ModulatedDeformRoIPoolPack": (
        dict(output_size=7, in_channels=CHANNELS, fc_channels=64),
        {"offset_fc.4": 0.2, "mask_fc.2": 0.3},
    ),
    "ConvMasks": (dict(output_size=7, in_channels=CHANNELS), {"conv": 0.06}),
    "RoISelfAttention": (dict(output_size=7, in_channels=CHANNELS, num_heads=1, head_channels=16), {"qkv": 0.7}),
    "LearnedRegionFeatures": (
        dict(in_channels=CHANNELS, embed_channels=128, geometry_channels=64),
        {"box_embed": 0.06, "box_parts": 0.04, "image_embed": 0.06, "appearance": 0.12},
    ),
    "RoITransformer": (dict(output_size=7, in_channels=CHANNELS), {"fc": 0.003}),
    "RoIConv": (dict(type="RoIAlign", output_size=7, sampling_ratio=1), {}),  # its taps, without the product
    "SemanticRoIAlign": (dict(in_channels=CHANNELS), {"fc2": 0.006}),
}
PARTS = (0, 10, 24, 46)


def features(pixels):
    """float32 [1, CHANNELS, H / 8, W / 8], each channel of mean 0 and deviation 1."""
    rng = np.random.default_rng(0)
    height, width = pixels.shape[0] // STRIDE, pixels.shape[1] // STRIDE
    small = Image.fromarray(pixels).resize((width, height), Image.BOX)
    colours = np.asarray(small, np.float32) / 255
    base = np.concatenate([colours, *np.gradient(colours, axis=(0, 1))], axis=2)
    base = (base - base.mean((0, 1))) / base.std((0, 1))
    mixed = np.tanh(base @ rng.standard_normal((base.shape[2], CHANNELS)))
    mixed = (mixed - mixed.mean((0, 1))) / mixed.std((0, 1))
    return jt.array(mixed.transpose(2, 0, 1)[None].astype(np.float32))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("box", help="X0,Y0,X1,Y1 in pixels")
    parser.add_argument("--only", action="append", help="draw this layer alone (may be repeated)")
    args = parser.parse_args()
    pixels = np.asarray(Image.open(args.image).convert("RGB"))
    box = [float(v) for v in args.box.split(",")]
    maps = features(pixels)
    os.makedirs(FOLDER, exist_ok=True)
    for name, (settings, deviations) in LAYERS.items():
        if args.only and name not in args.only:
            continue
        rng = np.random.default_rng(0)
        jt.set_global_seed(0)
        layer = build({"type": name, **settings})
        layer.eval()
        for layer_name, deviation in deviations.items():
            weight = layer.state_dict()[f"{layer_name}.weight"]
            weight.assign(jt.array((deviation * rng.standard_normal(tuple(weight.shape))).astype(np.float32)))
        weights = sampling_weights(layer, maps, box, 1 / STRIDE)
        picture = Image.fromarray(draw_sampling(pixels, box, weights, PARTS, STRIDE))
        path = os.path.join(FOLDER, f"{name}.jpg")
        picture.save(path, quality=80)
        print(
            f"{path}: {os.path.getsize(path) / 1024:.0f} KB, weights {weights.shape}, sums {weights.sum((1, 2)).mean():.3f}"
        )


if __name__ == "__main__":
    main()
