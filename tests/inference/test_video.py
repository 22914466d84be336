"""Videos: what is written is read, and damage is said."""

import numpy as np
import pytest

from vdfd_seg.errors import InputError
from vdfd_seg.inference.video import VideoReader, VideoWriter

COLOURS = ((250, 10, 10), (10, 250, 10), (10, 10, 250))


def flat(colour, height=32, width=48):
    return np.full((height, width, 3), colour, np.uint8)


@pytest.fixture
def three_colours(tmp_path):
    path = tmp_path / "colours.mp4"
    with VideoWriter(path, rate=12.5) as writer:
        for colour in COLOURS:
            writer.write(flat(colour))
    return path


def test_frames_rate_and_channel_order_survive(three_colours):
    reader = VideoReader(three_colours)
    assert (reader.frames, reader.rate) == (3, 12.5)
    frames = list(reader)
    assert len(frames) == 3
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert frame.shape == (32, 48, 3)
        # The encoder loses a little; red must not come back as blue.
        assert np.abs(frame.mean((0, 1)) - colour).max() < 20


def test_odd_sides_are_padded_not_cut(tmp_path):
    with VideoWriter(tmp_path / "odd.mp4", 5.0) as writer:
        writer.write(flat((0, 0, 0), 31, 47))
    (frame,) = VideoReader(tmp_path / "odd.mp4")
    assert frame.shape == (32, 48, 3)
    assert frame[-1].min() > 150 and frame[:24, :40].max() < 100


def test_a_writer_without_frames_writes_nothing(tmp_path):
    with VideoWriter(tmp_path / "none.mp4", 5.0):
        pass
    assert not list(tmp_path.iterdir())


def test_missing_and_damaged_videos(three_colours, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        VideoReader(tmp_path / "none.mp4")
    for content in (b"", b"no video" * 100, three_colours.read_bytes()[:-200]):
        (tmp_path / "no.mp4").write_bytes(content)
        with pytest.raises(InputError, match=r"cannot read the video .*no\.mp4"):
            VideoReader(tmp_path / "no.mp4")
