"""Checks that the parts of a built detector fit together: channels, numbers of maps, and strides.

    check_fit(model)     raises ConfigError, which names the part
    within(model, run)   run(), with such errors; for the first iteration of a training

The first builds the graph of one image in evaluation mode. Jittor executes lazily, so nothing is computed.
"""

from __future__ import annotations

import os
import sys
import traceback

import jittor as jt
import numpy as np

import jsra
from jsra.detectors.detector import Detector
from jsra.heads.mask_branch import MaskResults
from jsra.registry import ConfigError
from jsra.roi.extractor import FPNRoIExtractor

SIZE = 256  # pixels: maps of stride 64 have 4 x 4 cells
_TOLERANCE = 1.5  # a stride may differ by this factor, because maps without padding are smaller
_NEEDED = ("features", "forward_heads")  # of a detector
_READING = ("execute", "found", "forward")  # methods of detectors, heads, branches and extractors that choose their maps


def check_fit(model):
    """Raise ConfigError if a map has other channels, or another stride, than the part that reads it was built for.

    Detectors without `features` and `forward_heads` are not checked; of a user's own parts, only what they promise.
    """
    if not all(hasattr(model, name) for name in _NEEDED):
        return
    training = model.is_training()
    model.eval()
    try:
        with jt.no_grad():
            maps = _maps(model)
            if _are_maps(maps):  # a user's `features` may give anything to its own `execute`
                _check_readers(model, maps)
            _check_masks(model)
            within(model, lambda: _dense_heads(model, maps))
    except Exception as error:
        if isinstance(error, ConfigError) or _in_package(error):
            raise
        # A user's own part may need images of another size than SIZE. Its faults end the first iteration.
    finally:
        if training:
            model.train()


def _maps(model):
    """The maps of one image, after a check that they are maps."""
    backbone, neck = getattr(model, "backbone", None), getattr(model, "neck", None)
    images = jt.zeros((1, 3, SIZE, SIZE))
    if backbone is not None and _is_ours(model, "features"):
        made = within(model, lambda: backbone(images))
        if neck is None or _is_ours(neck, "execute"):  # a user's own neck may read anything
            _check_maps(made, f"model.backbone ({type(backbone).__name__})")
        if neck is not None:
            made = within(model, lambda: neck(made))
            _check_maps(made, f"model.neck ({type(neck).__name__})")
    return within(model, lambda: model.features(images))


def _is_ours(part, *names):
    """Whether these methods of a part, where it has them, are those of this package, or of Jittor's containers."""
    methods = (getattr(type(part), name, None) for name in names)
    return all(method is None or method.__module__.startswith(("jsra.", "jittor")) for method in methods)


def _are_arrays(maps):
    return isinstance(maps, (list, tuple)) and len(maps) > 0 and all(isinstance(m, jt.Var) for m in maps)


def _are_maps(maps):
    return _are_arrays(maps) and all(m.ndim == 4 for m in maps)


def _check_maps(maps, who):
    if not _are_maps(maps):
        kind = type(maps).__name__.rpartition(".")[2]  # of jittor_core.Var
        found = f"shapes {[list(m.shape) for m in maps]}" if _are_arrays(maps) else kind
        raise ConfigError(f"{who}: must return a list of maps [B, C, H, W], finest first, not {found}")


def _dense_heads(model, maps):
    """Run the heads on all maps. The heads on RoIs check their inputs themselves, and some read boxes: they would compute."""
    if hasattr(getattr(model, "rpn", None), "forward_levels"):
        model.rpn.forward_levels(_dense_maps(model, maps))
    elif not hasattr(model, "roi_head") and type(model).forward_heads is not Detector.forward_heads:
        model.forward_heads(maps, jt.zeros((0, 5)))


def _dense_maps(model, maps):
    return model.rpn_maps(maps) if hasattr(model, "rpn_maps") else maps


def _check_readers(model, maps):
    """Compare strides and channels in the config with those of the maps. A user's own detector, head or extractor may read
    any of the maps, and maps that it makes from them."""
    modules = dict(model.named_modules())
    for name, module in modules.items():
        words = name.split(".")
        known = all(_is_ours(modules[".".join(words[:depth])], *_READING) for depth in range(len(words) + 1))
        generator, strides = getattr(module, "anchor_generator", None), getattr(module, "featmap_strides", None)
        where = f"model.{name}" if name else "model"
        if isinstance(getattr(generator, "strides", None), (list, tuple)):
            read = _dense_maps(model, maps)
            if known and len(generator.strides) != len(read):
                raise ConfigError(
                    f"{where}.anchor_generator.strides: {len(generator.strides)} strides {list(generator.strides)} for "
                    f"{len(read)} maps (num_outs of the neck, out_indices of the backbone): give one for each map"
                )
            _compare(generator.strides, read if known else maps, f"{where}.anchor_generator.strides", known)
        if isinstance(strides, (list, tuple)):
            if known and len(strides) > len(maps):
                raise ConfigError(f"{where}.featmap_strides: {len(strides)} strides for {len(maps)} maps")
            _compare(strides, maps, f"{where}.featmap_strides", known)
            channels = [m.shape[1] for m in maps[: len(strides)]]
            if known and isinstance(module, FPNRoIExtractor) and any(c != module.out_channels for c in channels):
                raise ConfigError(f"{where}.out_channels is {module.out_channels}, but the maps have {channels} channels")


def _check_masks(model):
    """Masks are pasted and compared with their targets as squares."""
    for name, module in model.named_modules():
        layer = getattr(getattr(module, "extractor", None), "roi_layer", None)
        size = getattr(layer, "output_size", None)
        if isinstance(module, MaskResults) and isinstance(size, (list, tuple)) and len(set(size)) > 1:
            raise ConfigError(
                f"model.{name}.extractor.roi_layer.output_size is {list(size)}: masks are squares, so give one number"
            )


def _compare(strides, maps, where, ordered):
    """Raise ConfigError unless the strides are those of the maps: one by one if `ordered`, otherwise some of any of them."""
    given, real = np.array([np.max(stride) for stride in strides]), np.array([SIZE / max(m.shape[2:]) for m in maps])
    apart = np.abs(np.log(given[:, None] / real)) > np.log(_TOLERANCE)
    if np.diag(apart).any() if ordered else apart.all():
        shown = ", ".join(f"{true:g}" for true in (real[: len(strides)] if ordered else real))
        raise ConfigError(
            f"{where} is {list(strides)}, but the strides of the maps are {shown}: boxes would be at wrong places; correct "
            "it, or the maps (out_indices of the backbone, num_outs of the neck)"
        )


def within(model, run):
    """run(). If the inputs of a module do not fit, raises ConfigError with the name of the innermost one that was running."""
    try:
        return run()
    except ConfigError:
        raise
    except (ValueError, NotImplementedError) as error:  # the latter is Jittor's, for a module without `execute`
        if isinstance(error, ValueError) and not _in_package(error):  # a fault in a user's own part keeps its traceback
            raise
        raise ConfigError(f"{_running(model)}: {error}; correct this part of the config, or the one before it") from error


def _in_package(error):
    """Whether an exception comes from this package: from its code, or from Jittor where this code has called it."""
    ours, jittor = (os.path.dirname(os.path.abspath(file)) + os.sep for file in (jsra.__file__, jt.__file__))
    files = [os.path.abspath(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next(file for file in reversed(files) if not file.startswith(jittor)).startswith(ours)


def _running(model):
    """The name of the innermost module whose method raised the exception that is being handled."""
    names = {id(module): name for name, module in model.named_modules()}
    trace, found = sys.exc_info()[2], ""
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        found = names.get(id(owner)) or found
        trace = trace.tb_next
    return f"model.{found}" if found else "model"
