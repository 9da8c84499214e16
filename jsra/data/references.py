"""Chooses the other frames (references) with which a frame of a video is trained."""

from __future__ import annotations

from jsra.registry import ConfigError

METHODS = ("bilateral_uniform", "uniform")


class References:
    """references(frames, index, rng) -> sorted indices of `num` frames of a video, at most frame_range away from the key
    frame.
    frames: number of frames of the video; index: that of the key frame.

    method: 'bilateral_uniform' takes half of them before and half after the key frame; 'uniform' takes them from both sides
    together. No frame is drawn twice, and not the key frame. If one side has too few frames, the other side provides more; if
    the video has too few frames, the key frame is used, so that there are always `num`. Source: mmtracking's sampling of
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
