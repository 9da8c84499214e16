"""Problems of an image file and of a box, for any dataset."""

from __future__ import annotations

from collections import Counter

from jsra.data.image import open_image, rgb_pixels, separator, shown
from jsra.data.problems import error, warning
from jsra.runtime.memory import no_memory

FRACTIONS = "in the first pixel: fractions of the image? bbox is in pixels"
DARK = 16  # of 255: the largest value if 12-bit pixels are stored in 16 bits


def check_image(path, size, where):
    """Problems of an image file."""
    try:
        with open_image(path) as image:
            turned, found = shown(image).size, image.size
            dark = rgb_pixels(image).max(initial=0) < DARK and image.mode.startswith("I")
    except (FileNotFoundError, NotADirectoryError):
        yield error(where, f"the image {path} is missing", f"add the file, or remove the image{separator(path)}")
        return
    except MemoryError:
        yield error(where, f"the image {path} cannot be read", no_memory())
        return
    except Exception as reason:
        yield error(where, f"the image {path} cannot be read: {reason}", "replace the file")
        return
    if dark:
        what = f"{path} uses only the lower 12 of its 16 bits, but the upper 8 are read: it is nearly black"
        yield warning(where, what, "multiply its pixels by 16")
    if tuple(size) not in (found, turned):
        yield error(
            where, f"{path} is {found[0]} x {found[1]} pixels, annotated as {size[0]} x {size[1]}",
            "correct width and height, or scale the boxes to the file",
        )  # fmt: skip


def check_copies(boxes, where):
    """Problems of the boxes of an image that are listed several times: pairs of a class and a tuple of numbers."""
    for (name, box), count in Counter(boxes).items():
        if count > 1:
            yield warning(where, f"the box {list(box)} of category {name} appears {count} times", "remove the copies")


def check_box(xyxy, size, where):
    """Problems of a box in an image of `size` (width, height)."""
    x0, y0, x1, y1 = xyxy
    text = f"the box ({x0:g}, {y0:g}, {x1:g}, {y1:g})"
    if not all(abs(v) < 1e9 for v in xyxy):
        yield error(where, f"{text} is not finite", "correct or remove it")
    elif x1 < x0 or y1 < y0:
        yield error(where, f"{text} is inverted", "swap its corners")
    elif x1 == x0 or y1 == y0:
        yield error(where, f"{text} is empty", "remove it")
    elif x1 <= 0 or y1 <= 0 or x0 >= size[0] or y0 >= size[1]:
        yield error(where, f"{text} is outside the image", "remove it, or look for swapped x and y")
    elif x0 < -1 or y0 < -1 or x1 > size[0] + 1 or y1 > size[1] + 1:
        yield warning(where, f"{text} exceeds the image ({size[0]} x {size[1]})", "cut it at the border")
    elif (x1 - x0 < 1 or y1 - y0 < 1) and are_fractions(*xyxy):
        yield warning(where, f"{text} is {FRACTIONS}; training ignores it", "multiply it by width and height, or remove it")
    elif x1 - x0 < 1 or y1 - y0 < 1:
        yield warning(where, f"{text} is thinner than a pixel; training ignores it", "remove it")


def are_fractions(x0, y0, x1, y1) -> bool:
    """Whether the corners of a box, which may be in pixels, look like fractions of the image: all are from 0 to 1."""
    return 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
