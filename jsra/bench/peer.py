"""The peer side of `jsra bench ops`: run by a separate Python, which needs NumPy and torchvision or onnxruntime.

It reads commands as lines of JSON and answers each with a line of JSON: {"load": file.npz, "call": name, "settings": {}} ->
directions, {"run": direction} -> seconds, cpu (seconds of all threads), megabytes (growth of the peak) and peak,
{"save": file.npy}. Nothing of jsra is imported.
"""

import functools
import json
import os
import sys
import time

try:
    import numpy as np
except ImportError as error:
    sys.exit(f"{sys.executable}: {error}; a peer needs NumPy, and torchvision or onnxruntime")

THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())
DIRECTIONS = ("forward", "backward", "inference", "training", "pasting")
DEVICE = os.environ.get("JSRA_BENCH_DEVICE", "cpu")


def megabytes(key):
    """A value of /proc/self/status in MB, e.g. VmHWM (the peak of the resident memory)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(key))


def reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def attention(torch, q, k, v, bias=None, mask=None):
    """torch's attention, for tokens [B, N, heads, depth]."""
    if bias is not None:
        bias = bias + mask.repeat(len(q) // len(mask), 1, 1)[:, None]
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2)


def layer_norm(torch, x, weight, bias):
    return torch.nn.functional.layer_norm(x, weight.shape, weight, bias)


def depthwise_conv2d(torch, x, weight, bias, padding):
    """torch's depth-wise convolution, for channels-last maps."""
    x = x.permute(0, 3, 1, 2)
    return torch.nn.functional.conv2d(x, weight, bias, padding=padding, groups=x.shape[1]).permute(0, 2, 3, 1)


def ms_deform_attn(torch, value, locations, weights, sizes):
    """Composed of grid_sample, as is usual without a CUDA kernel."""
    batch, _, heads, depth = value.shape
    queries, start, out = locations.shape[1], 0, 0
    for level, (rows, columns) in enumerate(sizes):
        cells = value[:, start : start + rows * columns]
        start += rows * columns
        cells = cells.reshape(batch, rows, columns, heads, depth).permute(0, 3, 4, 1, 2).flatten(0, 1)
        places = locations[:, :, :, level].transpose(1, 2).flatten(0, 1) * 2 - 1
        read = torch.nn.functional.grid_sample(cells, places, align_corners=False)
        out = out + (read * weights[:, :, :, level].transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)
    return out.reshape(batch, heads, depth, queries).permute(0, 3, 1, 2)


def dcn_v3(torch, x, offset, mask):
    """Also composed of grid_sample: a 3 x 3 kernel, stride 1, padding 1."""
    batch, rows, columns, channels = x.shape
    groups = mask.shape[-1] // 9
    centre = torch.stack(torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy"), -1) + 0.5
    tap = torch.stack(torch.meshgrid(torch.arange(-1, 2), torch.arange(-1, 2), indexing="ij"), -1)
    places = centre.reshape(1, -1, 1, 1, 1, 2).to(x) + tap.reshape(9, 2).to(x)
    places = places + offset.reshape(batch, rows * columns, groups, 1, 9, 2)
    places = places / torch.tensor([columns, rows]).to(x)
    value = x.reshape(batch, rows * columns, groups, channels // groups)
    weights = mask.reshape(batch, rows * columns, groups, 1, 9)
    return ms_deform_attn(torch, value, places, weights, [(rows, columns)]).reshape(x.shape)


# Operators of torch, as functions of our inputs.
TORCH = {
    "attention": attention,
    "layer_norm": layer_norm,
    "depthwise_conv2d": depthwise_conv2d,
    "ms_deform_attn": ms_deform_attn,
    "dcn_v3": dcn_v3,
    "gelu": lambda torch, x: torch.nn.functional.gelu(x),
    "bmm": lambda torch, a, b: torch.bmm(a, b),
}


class Torchvision:
    def __init__(self):
        import torch
        import torchvision

        self.torch, self.ops = torch, torchvision.ops
        torch.set_num_threads(THREADS)
        self.wait = torch.cuda.synchronize if DEVICE == "cuda" else None
        self.name = f"torchvision {torchvision.__version__.split('+')[0]}"

    def load(self, arrays, call, settings):
        self.function = functools.partial(TORCH[call], self.torch) if call in TORCH else getattr(self.ops, call)
        settings = dict(settings)
        self.gradients = settings.pop("gradients", 1)
        self.tensors = [self.torch.from_numpy(a).to(DEVICE) for a in arrays.values()]
        self.settings = settings
        self.weight = None

    def forward(self):
        with self.torch.no_grad():
            self.out = self.function(*self.tensors, **self.settings)

    def prepare_backward(self):
        leaves = [tensor.detach().requires_grad_() for tensor in self.tensors[: self.gradients]]
        self.out = self.function(*leaves, *self.tensors[self.gradients :], **self.settings)
        if self.weight is None:
            self.weight = self.torch.ones_like(self.out)

    def backward(self):
        self.out.backward(self.weight)

    def result(self):
        return self.out.detach().cpu().numpy()


class Onnxruntime:
    """Forward only; RoIAlign is the only operator of ONNX that we have."""

    def __init__(self):
        import onnxruntime

        if DEVICE != "cpu":
            raise ImportError("compared on the CPU only")
        self.runtime = onnxruntime
        self.name = f"onnxruntime {onnxruntime.__version__}"

    def load(self, arrays, call, settings):
        if call != "roi_align":
            raise NotImplementedError(f"no {call}")
        from onnx import TensorProto, helper

        size = settings["output_size"]
        node = helper.make_node(
            "RoiAlign",
            ["x", "boxes", "batch"],
            ["y"],
            output_height=size,
            output_width=size,
            sampling_ratio=max(settings["sampling_ratio"], 0),
            spatial_scale=settings["spatial_scale"],
            coordinate_transformation_mode="half_pixel" if settings["aligned"] else "output_half_pixel",
        )
        inputs = [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * 4),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [None, 4]),
            helper.make_tensor_value_info("batch", TensorProto.INT64, [None]),
        ]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)]
        graph = helper.make_graph([node], "roi_align", inputs, outputs)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = self.runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        x, rois = arrays.values()
        self.inputs = {"x": x, "boxes": rois[:, 1:].copy(), "batch": rois[:, 0].astype(np.int64)}

    def forward(self):
        self.out = self.session.run(None, self.inputs)[0]

    def result(self):
        return self.out


def find(kinds):
    """The programs of these classes that can be used with this Python."""
    for program in kinds:
        try:
            yield program()
        except ImportError:
            pass


def answer(program, command):
    if "load" in command:
        with np.load(command["load"]) as file:
            arrays = {name: file[name] for name in sorted(file.files)}
        program.load(arrays, command["call"], command["settings"])
        return {"directions": [d for d in DIRECTIONS if hasattr(program, d)]}
    if "run" in command:
        prepare = getattr(program, f"prepare_{command['run']}", None)
        if prepare is not None:
            prepare()
        wait = getattr(program, "wait", None) or (lambda: None)
        wait()
        reset_peak()
        before = megabytes("VmRSS")
        start, busy = time.perf_counter(), time.process_time()
        getattr(program, command["run"])()
        wait()
        seconds, busy, peak = time.perf_counter() - start, time.process_time() - busy, megabytes("VmHWM")
        extra = program.memory() if hasattr(program, "memory") else {}
        return {"seconds": seconds, "cpu": busy, "megabytes": peak - before, "peak": peak, **extra}
    np.save(command["save"], program.result())
    return {}


def serve(kinds):
    """Answer commands from stdin until it ends."""
    # Some libraries print to stdout: keep it for the answers only.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    programs = {p.name: p for p in find(kinds)}
    families = {name: getattr(p, "family", None) for name, p in programs.items()}
    print(json.dumps({"programs": families}), file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            reply = answer(programs[command["program"]], command)
        except Exception as error:  # sent to the other side, which reports it
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    serve((Torchvision, Onnxruntime))
