"""Which other frames a frame of a video is trained with, and the order in which frames are loaded."""

from __future__ import annotations

from jsra.registry import ConfigError

METHODS = ("bilateral_uniform", "uniform")


class References:
    """References(frames, index, rng) -> places of `num` frames of a video, in order, within frame_range of the key frame.

    method: 'bilateral_uniform' takes half of them from before and half from after the key frame; 'uniform' from either side.
    Each is drawn once, without the key frame. Where a side has too few frames the other side gives them, and in a video of
    fewer frames the key frame itself stands in, so that a sample always has `num`. Source: mmtracking's sampling of
    reference images, which takes fewer at the ends of a video.
    """

    def __init__(self, num: int = 2, frame_range: int = 9, method: str = "bilateral_uniform"):
        if num < 1 or frame_range < 1 or method not in METHODS or (method == METHODS[0] and num % 2):
            raise ConfigError(
                f"references: num and frame_range are at least 1, method is one of {', '.join(METHODS)}, and num is even for "
                f"bilateral_uniform; not num={num}, frame_range={frame_range}, method={method!r}"
            )
        self.num, self.frame_range, self.method = num, frame_range, method

    def __call__(self, frames: int, index: int, rng) -> list:
        before = list(range(max(0, index - self.frame_range), index))
        after = list(range(index + 1, min(frames, index + self.frame_range + 1)))
        sides = [before, after] if self.method == "bilateral_uniform" else [before + after]
        found = []
        for side in sides:
            found += rng.permutation(side)[: self.num // len(sides)].astype(int).tolist()
        rest = [i for i in before + after if i not in found]
        found += rng.permutation(rest)[: self.num - len(found)].astype(int).tolist()
        return sorted(found + [index] * (self.num - len(found)))
