"""Write aggregation.npz: MSSA, MSCA and concatenation from the paper's equations, in PyTorch: python make_aggregation.py.

Small maps and random weights under jsra's names; outputs of all levels, and the gradients of their weighted sum.
"""

import os

import numpy as np
import torch
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
IN_CHANNELS, CHANNELS, HEADS = (3, 4, 5), 8, 4
SIZES, STRIDES = ((9, 14), (5, 7), (3, 4)), (4, 4, 2)
CASES = {
    "MSSA": {},
    "MSCA": {},
    "MSCA adaptive": {"pooling": "adaptive", "pool_size": 3},
    "MSSA single_scale, coarse": {"pooling": "single_scale", "attention_levels": [2]},
    "ConcatFPN": {},
}


def draw(rng, kind, settings):
    """Weights under the names of jsra's state dict."""
    c, w = CHANNELS, {}
    for i, n in enumerate(IN_CHANNELS):
        w.update({f"lateral_convs.{i}.weight": (c, n, 1, 1), f"lateral_convs.{i}.bias": (c,)})
        w.update({f"fpn_convs.{i}.weight": (c, c, 3, 3), f"fpn_convs.{i}.bias": (c,)})
        if kind == "ConcatFPN":
            if i < 2:
                w.update({f"concat_convs.{i}.weight": (c, 2 * c, 1, 1), f"concat_convs.{i}.bias": (c,)})
        elif i in settings.get("attention_levels", (0, 1, 2)):
            a = f"attention{i}"
            for name in ("norm", "norm_source") if kind == "MSCA" else ("norm",):
                w.update({f"{a}.{name}.weight": (c,), f"{a}.{name}.bias": (c,)})
            for name in "qkv":
                w.update({f"{a}.{name}.weight": (c, c), f"{a}.{name}.bias": (c,)})
            w.update({f"{a}.mlp.fc1.weight": (2 * c, c), f"{a}.mlp.fc1.bias": (2 * c,)})
            w.update({f"{a}.mlp.conv_weight": (2 * c, 1, 3, 3), f"{a}.mlp.conv_bias": (2 * c,)})
            w.update({f"{a}.mlp.fc2.weight": (c, 2 * c), f"{a}.mlp.fc2.bias": (c,)})
    return {name: tensor(0.5 * rng.standard_normal(shape)) for name, shape in w.items()}


def tensor(array):
    return torch.from_numpy(array.astype(np.float32)).requires_grad_()


def pool(x, stride, settings):
    """[B, C, H, W] -> [B, C, M]: section 3.3, multi-scale pooling, and the two others of table 5."""
    pooling = settings.get("pooling", "multi_scale")
    if pooling == "adaptive":
        return F.adaptive_avg_pool2d(x, settings["pool_size"]).flatten(2)
    strides = [stride, stride // 2] if pooling == "multi_scale" else [stride]
    return torch.cat([F.avg_pool2d(x, s, s, ceil_mode=True).flatten(2) for s in strides], 2)


def ms_att(query, source, w, stride, settings):
    """MS-Att of [B, C, H, W] maps: equations 5, 6, 7."""
    b, c, height, width = query.shape

    def norm(x, name):
        return F.layer_norm(x.permute(0, 2, 3, 1), (c,), w[f"{name}.weight"], w[f"{name}.bias"]).permute(0, 3, 1, 2)

    def fc(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def heads(x):
        return x.reshape(b, -1, HEADS, c // HEADS).transpose(1, 2)

    fq = query.flatten(2).transpose(1, 2)
    normal = norm(source, "norm_source") if "norm_source.weight" in w else norm(query, "norm")
    fkv = pool(normal, stride, settings).transpose(1, 2)
    q = heads(fc(norm(query, "norm").flatten(2).transpose(1, 2), "q"))
    k, v = heads(fc(fkv, "k")), heads(fc(fkv, "v"))
    att = torch.softmax(q @ k.transpose(2, 3) / (c // HEADS) ** 0.5, -1) @ v
    hidden = fc(fq + att.transpose(1, 2).reshape(b, -1, c), "mlp.fc1")
    hidden = hidden.transpose(1, 2).reshape(b, 2 * c, height, width)
    hidden = F.conv2d(hidden, w["mlp.conv_weight"], w["mlp.conv_bias"], padding=1, groups=2 * c)
    out = fq + fc(F.gelu(hidden.flatten(2).transpose(1, 2)), "mlp.fc2")
    return out.transpose(1, 2).reshape(query.shape)


def neck(kind, maps, w, settings):
    """Figure 1: P_i from F_i and P_(i + 1); then FPN's 3x3 convolutions and its pooled level."""
    features = [F.conv2d(x, w[f"lateral_convs.{i}.weight"], w[f"lateral_convs.{i}.bias"]) for i, x in enumerate(maps)]
    merged, p = [], None
    for i in (2, 1, 0):
        f, size = features[i], features[i].shape[2:]
        att = {k[len(f"attention{i}.") :]: v for k, v in w.items() if k.startswith(f"attention{i}.")}
        if att:
            up = None if p is None else F.interpolate(p, size=size, mode="bilinear", align_corners=False)
            if kind == "MSSA":
                r = f if up is None else f + up
                p = ms_att(r, r, att, STRIDES[i], settings)
            else:
                p = f + ms_att(f, f if up is None else up, att, STRIDES[i], settings)
        elif p is None:
            p = f
        elif kind == "ConcatFPN":
            both = torch.cat([f, F.interpolate(p, size=size, mode="nearest")], 1)
            p = F.conv2d(both, w[f"concat_convs.{i}.weight"], w[f"concat_convs.{i}.bias"])
        else:
            p = f + F.interpolate(p, size=size, mode="nearest")
        merged.insert(0, p)
    outs = [F.conv2d(x, w[f"fpn_convs.{i}.weight"], w[f"fpn_convs.{i}.bias"], padding=1) for i, x in enumerate(merged)]
    return [*outs, outs[-1][:, :, ::2, ::2]]


if __name__ == "__main__":
    arrays = {}
    for number, (case, settings) in enumerate(CASES.items()):
        rng, kind = np.random.default_rng(number), case.split()[0]
        maps = [tensor(rng.standard_normal((1, n, *size))) for n, size in zip(IN_CHANNELS, SIZES)]
        weights = draw(rng, kind, settings)
        outs = neck(kind, maps, weights, settings)
        douts = [torch.from_numpy(rng.normal(0, 0.05, tuple(o.shape)).astype(np.float32)) for o in outs]
        sum((o * d).sum() for o, d in zip(outs, douts)).backward()
        for prefix, values in (("map", maps), ("out", outs), ("dout", douts)):
            arrays.update({f"{case}/{prefix}{i}": v.detach().numpy() for i, v in enumerate(values)})
        arrays.update({f"{case}/dmap{i}": m.grad.numpy() for i, m in enumerate(maps)})
        for name, value in weights.items():
            arrays[f"{case}/w.{name}"], arrays[f"{case}/dw.{name}"] = value.detach().numpy(), value.grad.numpy()
    np.savez_compressed(os.path.join(HERE, "aggregation.npz"), **arrays)
