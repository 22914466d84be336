import numpy as np
import pytest
from PIL import Image

from tools.dataset_converters import colour_masks as tool
from vdfd_seg.cli import run_guarded
from vdfd_seg.datasets.conversion.colour_masks import read_colours
from vdfd_seg.errors import InputError

COLOURS = np.array([[(0, 128, 0), (9, 9, 9)], [(0, 0, 0), (128, 0, 0)]], np.uint8)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "colours.txt"
    path.write_text("# R G B NAME\n0 0 0 ground\n\n128 0 0 apple 2\n0 128 0 leaf\n")
    return path


@pytest.fixture
def convert(tmp_path, table, capsys):
    """Run the tool on one mask; the ids, or None with what it said."""

    def run(*options, source=tmp_path / "in", target=tmp_path / "out"):
        (tmp_path / "in/below").mkdir(parents=True, exist_ok=True)
        Image.fromarray(COLOURS).save(tmp_path / "in/below/a.bmp")
        status = run_guarded(tool.main, [str(source), str(target), str(table), *options])
        if status:
            return None, capsys.readouterr().err
        with Image.open(target / "below/a.png") as mask:
            return np.asarray(mask).tolist(), mask.convert("RGB").getpixel((0, 0))

    return run


def test_ids_and_their_colours(convert):
    assert convert("--unlisted-void") == ([[2, 255], [0, 1]], (0, 128, 0))


def test_a_colour_that_is_not_listed(convert, tmp_path):
    _, error = convert()
    assert "below/a.bmp': 1 pixels" in error and "(9, 9, 9); add them" in error
    assert not any((tmp_path / "out").rglob("*.png"))


def test_folders_that_do_not_do(convert, tmp_path):
    assert "name another" in convert(target=tmp_path / "in/ids")[1]
    assert "does not exist" in convert(source=tmp_path / "nothing")[1]


@pytest.mark.parametrize("line", ["1 2 3", "1,2,3,a1", "a1:1,2,3::", "a; 1; 2; 3"])
def test_lines_of_usual_tables(tmp_path, line):
    (tmp_path / "table").write_text(line)
    assert read_colours(tmp_path / "table") == [(1, 2, 3)]


@pytest.mark.parametrize(
    "text, message",
    [
        ("1 2 3\nname r g b", "line 2: 'name r g b' is no colour"),
        ("1 2 256", "line 1: .* is no colour"),
        ("1 2 3 a\n1 2 3 b", "line 2: '1 2 3 b' is listed twice"),
        ("# none", "has 0 colours"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    (tmp_path / "table").write_text(text)
    with pytest.raises(InputError, match=message):
        read_colours(tmp_path / "table")
