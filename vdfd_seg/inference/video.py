"""Video files, frame by frame, through OpenCV's FFmpeg.

``mmcv.VideoReader`` ends at a damaged frame without a word, and does not write.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from vdfd_seg.errors import InputError

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
DEFAULT_RATE = 25.0

# Containers that keep no index announce a number of frames from duration and rate.
_MISSING_FRAMES = 0.02


class VideoReader:
    """The frames of a video file, once, in order.

    Attributes:
        frames: How many the file announces; 0 where it does not say.
        rate: Frames a second; :data:`DEFAULT_RATE` where the file does not say.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"video '{path}' does not exist.")
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise InputError(
                f"cannot read the video '{path}': it is damaged, cut off, or in a format that "
                f"OpenCV does not know; convert it to MP4, for instance with ffmpeg."
            )
        announced = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frames = max(0, int(announced)) if math.isfinite(announced) else 0
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and rate > 0 else DEFAULT_RATE

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames ``(H, W, 3)`` uint8 RGB.

        Raises:
            InputError: After the last frame that could be read, where that is the first none
                or the file announces more (by over 2 percent and two frames).
        """
        count = 0
        try:
            while True:
                read, frame = self._capture.read()
                if not read:
                    break
                count += 1
                yield np.ascontiguousarray(frame[..., ::-1])
        finally:
            self._capture.release()
        if not count or self.frames - count > max(2, _MISSING_FRAMES * self.frames):
            raise InputError(
                f"the video '{self.path}' is damaged or cut off: {count} of its {self.frames} "
                f"frames could be read."
            )


class VideoWriter:
    """Writes RGB frames of one size as an MP4 (MPEG-4 Part 2, without sound).

    The file appears under its name when the writer is left, with what was written until then.
    A context manager. Frames are padded to even sides with white: the encoder cuts odd ones.

    Args:
        path: Where to, ending in ``.mp4``.
        rate: Frames a second.
    """

    def __init__(self, path: str | Path, rate: float):
        self.path = Path(path)
        self.rate = rate
        self._partial = self.path.with_name(f".{self.path.stem}.{os.getpid()}.mp4")
        self._writer: cv2.VideoWriter | None = None

    def write(self, frame: np.ndarray) -> None:
        """Append a frame ``(H, W, 3)`` uint8 RGB."""
        height, width = frame.shape[:2]
        even = ((0, height % 2), (0, width % 2), (0, 0))
        frame = np.pad(frame, even, constant_values=255)[..., ::-1]
        if self._writer is None:
            size = (frame.shape[1], frame.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._partial), code, self.rate, size)
            if not self._writer.isOpened():
                raise InputError(
                    f"OpenCV cannot write the video '{self.path}' of {size[0]}x{size[1]} pixels; "
                    f"is its folder writable, and the size below 8192x8192?"
                )
        self._writer.write(np.ascontiguousarray(frame))

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *_) -> None:
        if self._writer is not None:
            self._writer.release()
            if self._partial.exists():
                os.replace(self._partial, self.path)
