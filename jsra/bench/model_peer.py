"""The peer side of `jsra bench model`: run by a separate Python with torchvision, onnxruntime, OpenVINO or mmdet. Commands
are those of peer.py. load: settings `detector` (of MMDET; torchvision has the first two), arrays `images` [B, 3, H, W]
normalised, `boxes` [B, n, 4], `labels` [B, n] (1-based), with masks also `objects` [B, n, H, W], `probabilities` [m, 28, 28]
and `places` [m, 4], and the weights by the program's names. Inference uses the first image, a training step all. Only peer.py
is imported from jsra.
"""

import io

from peer import THREADS, np, serve  # peer says what is missing

# detector -> the config of mmdet: R50-FPN unless the name says otherwise, 80 classes.
MMDET = {
    "faster_rcnn": "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "mask_rcnn": "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "cascade_mask_rcnn": "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py",
    "mask_rcnn_swin_t": "swin/mask-rcnn_swin-t-p4-w7_fpn_ms-crop-3x_coco.py",
    "retinanet": "retinanet/retinanet_r50_fpn_1x_coco.py",
}
COUNTED = ("num_batches_tracked", "relative_position_index")  # these are not weights


class _Torch:
    """The common part of the PyTorch programs. `_build`: the model; `_losses`: its losses in training."""

    def load(self, arrays, call, settings):
        import torch

        self.torch = torch
        torch.set_num_threads(THREADS)
        torch.manual_seed(0)
        self.x = torch.from_numpy(arrays.pop("images"))
        self.boxes, self.labels = torch.from_numpy(arrays.pop("boxes")), torch.from_numpy(arrays.pop("labels")).long()
        self.size = tuple(self.x.shape[-2:])
        self.detector, self.masks = settings["detector"], "objects" in arrays
        if self.masks:
            self.objects = arrays.pop("objects")
            self.probabilities, self.places = (torch.from_numpy(arrays.pop(n)) for n in ("probabilities", "places"))
        self.model = self._build()
        weights = {name: torch.from_numpy(array) for name, array in arrays.items()}
        missing, unexpected = self.model.load_state_dict(weights, strict=False)
        missing = [name for name in missing if not name.endswith(COUNTED)]
        if missing or unexpected:
            raise ValueError(f"weights do not fit: missing {missing[:4]}, unexpected {unexpected[:4]}")
        self.model.eval()
        self.optimizer = None

    def inference(self):
        with self.torch.no_grad():
            self.out = self._detect()

    def prepare_training(self):
        if self.optimizer is None:
            self.model.train()
            self._freeze()
            weights = [p for p in self.model.parameters() if p.requires_grad]
            self.optimizer = self.torch.optim.SGD(weights, lr=1e-6, momentum=0.9, weight_decay=1e-4)

    def training(self):
        self.optimizer.zero_grad()
        sum(self._losses()).backward()
        self.optimizer.step()

    def result(self):
        boxes, scores, labels = self.out
        return np.column_stack([boxes.numpy(), scores.numpy(), labels.numpy()])


class Torchvision(_Torch):
    family = "torchvision"

    def __init__(self):
        import torchvision

        self.torchvision = torchvision
        self.name = f"torchvision {torchvision.__version__.split('+')[0]}"

    def _build(self):
        from torchvision.models.detection.image_list import ImageList

        self.images, self.image = ImageList(self.x, [self.size] * len(self.x)), ImageList(self.x[:1], [self.size])
        build = {"faster_rcnn": "fasterrcnn_resnet50_fpn", "mask_rcnn": "maskrcnn_resnet50_fpn"}[self.detector]
        build = getattr(self.torchvision.models.detection, build)
        return build(weights=None, weights_backbone=None, num_classes=81)

    def _freeze(self):
        """Freeze the stem, the first stage and all statistics, as in our config."""
        body = self.model.backbone.body
        for module in (body.conv1, body.bn1, body.layer1):
            module.requires_grad_(False)
        body.eval()

    def _detect(self):
        features = self.model.backbone(self.x[:1])
        proposals, _ = self.model.rpn(self.image, features)
        (found,), _ = self.model.roi_heads(features, proposals, [self.size])
        if self.masks:
            self._paste(found["masks"], found["boxes"])
        return found["boxes"], found["scores"], found["labels"]

    def _paste(self, masks, boxes):
        return self.torchvision.models.detection.roi_heads.paste_masks_in_image(masks, boxes, self.size)

    def pasting(self):
        self._paste(self.probabilities[:, None], self.places)

    def _losses(self):
        targets = [{"boxes": boxes, "labels": labels} for boxes, labels in zip(self.boxes, self.labels)]
        if self.masks:
            for target, bitmaps in zip(targets, self.objects):
                target["masks"] = self.torch.from_numpy(bitmaps)
        features = self.model.backbone(self.x)
        proposals, losses = self.model.rpn(self.images, features, targets)
        _, more = self.model.roi_heads(features, proposals, [self.size] * len(self.x), targets)
        return [*losses.values(), *more.values()]


class _Exported:
    """torchvision's Faster R-CNN as an ONNX file; only inference. `_import()`: returns its name; `_compile(file)`: returns a
    function from x to the outputs."""

    family = "exported"

    def __init__(self):
        self.name = self._import()
        self.exporter = Torchvision()

    def load(self, arrays, call, settings):
        self.exporter.load(arrays, call, settings)
        torch, exporter = self.exporter.torch, self.exporter
        from torchvision.models.detection.image_list import ImageList

        class Parts(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = exporter.model

            def forward(self, x):
                exporter.x, exporter.image = x, ImageList(x, [exporter.size])
                return exporter._detect()

        self.x = exporter.x[:1].numpy().copy()
        file = io.BytesIO()
        torch.onnx.export(
            Parts().eval(), (exporter.x[:1],), file, input_names=["x"], opset_version=16, dynamo=False
        )
        self.compiled = self._compile(file.getvalue())
        del self.exporter

    def inference(self):
        self.out = self.compiled(self.x)

    def result(self):
        return np.column_stack(self.out)


class Onnxruntime(_Exported):
    def _import(self):
        import onnxruntime

        self.runtime = onnxruntime
        return f"onnxruntime {onnxruntime.__version__}"

    def _compile(self, file):
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = self.runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {"x": x})


class OpenVINO(_Exported):
    def _import(self):
        import openvino

        self.runtime = openvino
        return f"OpenVINO {openvino.__version__.split('-')[0]}"

    def _compile(self, file):
        core = self.runtime.Core()
        # float32, like all others: on some CPUs OpenVINO's default for low latency is bfloat16.
        settings = {"INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        request = core.compile_model(core.read_model(io.BytesIO(file)), "CPU", settings).create_infer_request()
        return lambda x: [np.array(value) for value in request.infer({"x": x}).values()]


class Mmdet(_Torch):
    family = "mmdet"

    def __init__(self):
        import mmdet

        self.mmdet = mmdet
        self.name = f"mmdet {mmdet.__version__}"

    def _build(self):
        import os

        from mmdet.registry import MODELS
        from mmdet.structures import DetDataSample
        from mmdet.utils import register_all_modules
        from mmengine.config import Config
        from mmengine.structures import InstanceData

        register_all_modules()
        configs = os.path.join(os.path.dirname(self.mmdet.__file__), ".mim", "configs")
        config = Config.fromfile(os.path.join(configs, MMDET[self.detector]))
        config.model.backbone.init_cfg = None
        shapes = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), self.size)
        self.samples = []
        for boxes, labels in zip(self.boxes, self.labels):
            sample = DetDataSample(metainfo=dict(shapes, scale_factor=(1.0, 1.0)))
            sample.gt_instances = InstanceData(bboxes=boxes, labels=labels - 1)
            sample.ignored_instances = InstanceData(bboxes=boxes[:0], labels=labels[:0])
            self.samples.append(sample)
        if self.masks:
            from mmdet.structures.mask import BitmapMasks

            for sample, bitmaps in zip(self.samples, self.objects):
                sample.gt_instances.masks = BitmapMasks(bitmaps, *self.size)
        return MODELS.build(config.model)

    def _freeze(self):
        """Nothing to do: the config freezes layers."""

    def _detect(self):
        (found,) = self.model.predict(self.x[:1], self.samples[:1], rescale=False)
        found = found.pred_instances
        return found.bboxes, found.scores, found.labels + 1

    def pasting(self):
        """Paste the masks one after the other, as mmdet does for detections."""
        from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask

        pasted = self.torch.zeros(len(self.places), *self.size, dtype=self.torch.bool)
        for i in range(len(self.places)):
            mask, place = _do_paste_mask(self.probabilities[i : i + 1, None], self.places[i : i + 1], *self.size)
            pasted[(i, *place)] = mask[0] >= 0.5

    def _losses(self):
        for value in self.model.loss(self.x, self.samples).values():
            yield from value if isinstance(value, (list, tuple)) else [value] if value.requires_grad else []


if __name__ == "__main__":
    serve((Torchvision, Onnxruntime, OpenVINO, Mmdet))
