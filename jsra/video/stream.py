"""Detection in videos frame by frame; only the maps of a window of frames are kept in memory.

stream = model.stream()                                # of a detector that uses several frames
for images, targets in batches:                        # frames in order; targets name their video
    results += stream.push(images, targets)            # of earlier frames: those whose window is complete
results += stream.finish()
"""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

import jittor as jt
import numpy as np


class Frame(NamedTuple):
    """image [1, 3, H, W], its maps (each [1, C, H, W]), and its target."""

    image: jt.Var
    maps: list
    target: dict


class FrameStream:
    """Results of the frames of videos, in order, with a delay of `after` frames.

    model: has features(images), warped(...), joined(...), complete(...) and found(...) (jsra.detectors.fgfa.FGFA). Frames
    before the beginning and after the end of a video are replaced by its first and last frame, which is warped once and
    counted as often as needed.
    """

    def __init__(self, model, before: int, after: int):
        self.model = model
        self.before, self.after = before, after
        self._clear()

    def _clear(self):
        self.frames = deque()
        self.first = 0  # the number of frames[0] in its video
        self.done = 0  # number of frames of this video with a result

    @property
    def seen(self) -> int:
        """The number of frames of this video so far."""
        return self.first + len(self.frames)

    def push(self, images, targets) -> list:
        """Add frames [B, 3, H, W]; returns the results that are now complete. A new target['video_id'] ends the video; an
        image without one is a video of its own."""
        results = []
        for i, target in enumerate(targets):
            video = target.get("video_id")
            if self.frames and (video is None or self.frames[-1].target.get("video_id") != video):
                results += self.finish()
            self._add(images[i : i + 1], target)
            if self.seen - self.done > self.after:
                results.append(self._result(self.seen - 1))
        return results

    def finish(self) -> list:
        """End the video; returns its remaining results."""
        results = [self._result(self.seen - 1) for _ in range(self.seen - self.done)]
        self._clear()
        return results

    def _add(self, image, target):
        if self.frames and self.frames[0].image.shape != image.shape:
            first, now = ([*v.shape[:1:-1]] for v in (self.frames[0].image, image))
            raise ValueError(
                f"frame {target.get('img_id')!r} is {now[0]} x {now[1]} pixels, those before it in its video {first[0]} x "
                f"{first[1]}: all frames of a video must have one size"
            )
        # Copies, computed now: a slice would keep the whole batch in memory, a pending operation the graph before it.
        maps = [m.copy().stop_grad() for m in self.model.features(image)]
        frame = Frame(image.copy().stop_grad(), maps, target)
        jt.sync([frame.image, *maps])
        self.frames.append(frame)

    def _result(self, last):
        """The result of the first frame that has none; last: number of the last known frame of the video."""
        number = self.done
        places = [min(max(n, 0), last) for n in range(number - self.before, number + self.after + 1) if n != number]
        counts = Counter(places)
        key = self.frames[number - self.first]
        maps = [m.unsqueeze(1) for m in key.maps]
        targets = self.model.complete(key.image, [key.target])
        if counts:
            others = [self.frames[n - self.first] for n in counts]
            images = jt.concat([frame.image for frame in others], dim=0)
            levels = [jt.concat(level, dim=0) for level in zip(*(frame.maps for frame in others))]
            warped = self.model.warped(key.image, images, levels, targets.sizes)
            maps = [jt.concat([own, other], dim=1) for own, other in zip(maps, warped)]
        weights = jt.array(np.array([[1, *counts.values()]], np.float32))
        (result,) = self.model.found(self.model.joined(key.maps, maps, weights), targets)
        self.done += 1
        while self.first < self.done - self.before:
            self.frames.popleft()
            self.first += 1
        return result
