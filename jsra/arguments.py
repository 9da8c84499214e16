"""Checks the arguments of registered parts by the annotations of their constructors.

    def __init__(self, roi_layer: part.roi_layer, strides: tuple[int, ...], gamma: float = 50.0)

An annotation is read as text, never evaluated, so it works in every Python version. It can contain int, float (also accepts
int), bool, str, dict, None, part.<kind> (a part registered as that kind), tuple[X, ...] and list[X] (a list or tuple of any
length), tuple[X, X] (of this length), dict[str, X], and X | Y. Other annotations (Optional[X], Literal["a"]) are not checked.
Without an annotation, the default says what is refused: text where it is a number or True or False, a number where it is
True or False.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import numbers
import reprlib

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "str": "text",
    "dict": "a dictionary",
    "list": "a list",
    "None": "None",
}
_TYPES = {"int": numbers.Integral, "float": numbers.Real, "str": str, "dict": dict, "list": (list, tuple)}
_BY_DEFAULT = {bool: "bool | None", int: "float | list | None", float: "float | list | None"}
# The allowed range of numbers by the argument's name, in all parts of jsra; also of each number in a list, which must not be
# empty.
_RANGES = (
    ("a number from 0 to 1", lambda v: 0 <= v <= 1, (
        "pos_iou_thr", "neg_iou_thr", "min_pos_iou", "score_thr", "nms_thr", "mask_thr", "target_thr", "pos_fraction",
        "alpha", "drop_path_rate",
    )),
    ("a number of at least 0", lambda v: v >= 0, (
        "loss_weight", "loss_weights", "gamma", "beta", "min_size", "num_convs",
        "stacked_convs", "num_fcs", "num_blocks", "start_level", "box_min_size", "norm_eps",
    )),
    ("a number above 0", lambda v: v > 0, (
        "ratios", "scales", "base_sizes", "octave_base_scale", "stds", "wh_ratio_clip", "finest_scale",
        "mlp_ratio", "area", "layer_decay", "deform_ratio", "cffn_ratio", "flow_scale", "scale", "std",
    )),
    ("a whole number of at least 1", lambda v: v >= 1, (
        "strides", "featmap_strides", "scales_per_octave", "num", "nms_pre", "max_per_img", "num_classes", "in_channels",
        "out_channels", "feat_channels", "fc_out_channels", "fc_channels", "conv_out_channels", "embed_dims", "base_channels",
        "base_width", "groups", "depths", "num_heads", "num_masks", "num_outs", "output_size", "roi_feat_size", "kernel_size",
        "window_size", "max_area", "descriptor_channels", "semantic_channels", "hidden_channels",
        "num_tokens", "num_parts", "embed_channels", "geometry_channels", "head_channels", "samples", "n_points",
        "deform_num_heads", "pretrain_size", "pool_size", "expansion", "max_inside", "max_outside", "conv_kernel",
        "dilations", "stride", "width", "channels", "embed_dim",
    )),
)  # fmt: skip
_RANGE_OF = {name: (said, fits) for said, fits, names in _RANGES for name in names}


class part:
    """Used in annotations: an argument annotated with `part.neck` must be a part registered as a neck."""


def takes(call, count: int) -> bool:
    """Whether `call` can be called with so many positional arguments."""
    try:
        inspect.signature(call).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # code in C may have no signature
        return True
    return True


def parameters(cls) -> dict:
    """{name: inspect.Parameter} of a class's constructor, including those of the parent if it passes **kwargs on."""
    return declared(cls)[0]


def declared(cls) -> tuple:
    """(`parameters`, whether a user's constructor takes any other name too)."""
    found, takes_any = {}, False
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        own = list(inspect.signature(base.__init__).parameters.values())[1:]
        for p in own:
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
                found.setdefault(p.name, p)
        if not any(p.kind is p.VAR_KEYWORD for p in own):
            return found, False
        # Those of object and of Jittor's Module have **kwargs, but no arguments.
        takes_any = takes_any or base.__module__.partition(".")[0] not in ("jsra", "jittor", "builtins")
    return found, takes_any


def of_parents(cls) -> list:
    """The names of arguments that only parents of a user's class have: its constructor may give them itself."""
    first = next(base for base in cls.__mro__ if "__init__" in vars(base))
    own = inspect.signature(first.__init__).parameters
    return [] if first.__module__.startswith("jsra.") else [name for name in parameters(cls) if name not in own]


def is_ours(cls, name) -> bool:
    """Whether `name` is an argument of one of jsra's classes: of cls, or of one that a user's part is a subclass of."""
    ours = (base.__init__ for base in cls.__mro__ if base.__module__.startswith("jsra.") and "__init__" in vars(base))
    return any(name in inspect.signature(init).parameters for init in ours)


def expected(parameter):
    """The type of an argument as `problem` needs it; None if nothing says it."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        annotation = _BY_DEFAULT.get(type(parameter.default))
    elif isinstance(annotation, type):
        annotation = annotation.__name__
    return _parse(annotation) if isinstance(annotation, str) else None


@functools.lru_cache(maxsize=None)
def _parse(text):
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:  # a user's annotation may be any text
        return None


def problem(node, value, path, check_part):
    """What is wrong with `value`, the argument at `path`: (path, what is expected, the actual value), or None if nothing.

    check_part(kind, value, path): does the same for a part.
    """
    if isinstance(node, ast.BinOp):
        found = [problem(side, value, path, check_part) for side in (node.left, node.right)]
        return None if None in found else (path, words(node), value)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == part.__name__:
        return check_part(node.attr, value, path)
    if isinstance(node, ast.Subscript):
        return _problem_within(node, value, path, check_part) if _container(node) else None
    name = node.id if isinstance(node, ast.Name) else repr(node.value) if isinstance(node, ast.Constant) else ""
    if name not in _WORDS:
        return None
    is_bool = type(value).__name__ in ("bool", "bool_")
    if name == "None":
        fits = value is None
    elif name == "bool":
        fits = is_bool
    else:
        fits = isinstance(value, _TYPES[name]) and not is_bool and (name != "float" or math.isfinite(value))
    return None if fits else (path, words(node), value)


def _problem_within(node, value, path, check_part):
    """Like `problem`, for tuple[...], list[...] and dict[...]."""
    items, kind = _items(node), node.value.id
    if kind == "dict":
        if not isinstance(value, dict) or "type" in value:
            return path, words(node), value
        found = [problem(items[1], v, f"{path}.{key}", check_part) for key, v in value.items()]
        return next((f for f in found if f), None)
    if not isinstance(value, (list, tuple)):
        return path, words(node), value
    if kind == "tuple" and not _any_length(items):
        if len(value) != len(items):
            return path, words(node), value
    else:
        items = [items[0]] * len(value)
    found = [problem(item, v, f"{path}[{i}]", check_part) for i, (item, v) in enumerate(zip(items, value))]
    return next((f for f in found if f), None)


def is_infinite(found) -> bool:
    """Whether a result of `problem` is about an infinite number, which an argument of a user's own may be."""
    return found is not None and isinstance(found[2], float) and math.isinf(found[2]) and "a number" in found[1]


def outside(name, value, path):
    """Like `problem`, for the range of `value`, the argument `name` at `path`."""
    if name not in _RANGE_OF or value is None:
        return None
    said, fits = _RANGE_OF[name]
    if isinstance(value, (list, tuple)):
        found = [outside(name, item, f"{path}[{i}]") for i, item in enumerate(value)]
        return next((f for f in found if f), None if value else (path, f"a list, each item {said}", value))
    return None if not isinstance(value, numbers.Real) or fits(value) else (path, said, value)


def _container(node):
    """tuple, list or dict for tuple[...], list[...] and dict[...], else None."""
    name = getattr(node.value, "id", None)
    return name if name in ("tuple", "list", "dict") else None


def _items(node):
    inner = node.slice
    inner = getattr(inner, "value", inner) if type(inner).__name__ == "Index" else inner  # Python 3.8
    return inner.elts if isinstance(inner, ast.Tuple) else [inner]


def _any_length(items):
    return isinstance(items[-1], ast.Constant) and items[-1].value is Ellipsis


def words(node) -> str:
    """The expected type in words, for a message."""
    if isinstance(node, ast.BinOp):
        return f"{words(node.left)} or {words(node.right)}"
    if isinstance(node, ast.Attribute):
        return a_part(node.attr)
    if isinstance(node, ast.Subscript) and _container(node):
        items = _items(node)
        if node.value.id == "dict":
            return f"a dictionary, each value {words(items[1])}"
        if node.value.id == "list" or _any_length(items):
            return f"a list, each item {words(items[0])}"
        return f"a list of {len(items)}, each item {words(items[0])}"
    return _WORDS.get(node.id if isinstance(node, ast.Name) else repr(getattr(node, "value", "")), "something else")


def a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def a_part(kind: str) -> str:
    """The words for a part of a kind, for a message."""
    return f"{a(kind)} (a dict with its type)"


def short(value) -> str:
    """The value for a message, shortened to one line."""
    return reprlib.repr(value)
