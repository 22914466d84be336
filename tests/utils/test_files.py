"""A reader sees the old content or the new."""

import os

import pytest
from PIL import Image

from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.utils.files import (
    atomic_write,
    atomic_write_image,
    atomic_write_text,
    replace_folder,
    writable_dir,
)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_raises_leaves_the_old_file_and_no_other(tmp_path, error):
    path = atomic_write_text(tmp_path / "file", "old")
    # Others may read it.
    assert path.stat().st_mode & 0o777 == 0o644

    def write(file):
        file.write(b"half")
        raise error

    with pytest.raises(error):
        atomic_write(path, write)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_pictures_are_not_waited_for(tmp_path, monkeypatch):
    """Checkpoints and results reach the disk, with their names, before a run continues."""
    waits = []
    monkeypatch.setattr(os, "fsync", waits.append)
    atomic_write_text(tmp_path / "file", "x")
    assert len(waits) == 2
    atomic_write_image(tmp_path / "file.png", Image.new("L", (2, 2)))
    assert len(waits) == 2


class TestWritableDir:
    def test_is_made_with_its_parents_unless_a_file_is_in_the_way(self, tmp_path):
        path = writable_dir(tmp_path / "a" / "b", "work dir")
        assert os.listdir(path) == []
        (path / "file").touch()
        assert writable_dir(path, "work dir") == path
        for place in ("file", "file/sub"):
            with pytest.raises(InputError, match="the work dir '.*file.*' cannot be written to"):
                writable_dir(path / place, "work dir")

    def test_without_permission(self, tmp_path):
        tmp_path.chmod(0o500)
        try:
            if os.access(tmp_path, os.W_OK):
                pytest.skip("this user cannot be denied")
            with pytest.raises(InputError, match="cannot be written to"):
                writable_dir(tmp_path, "work dir")
        finally:
            tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("name", "valid", "message"),
    [
        ("vdfd", ["VDFD", "Joint"], ". Did you mean 'VDFD'? Valid names: Joint, VDFD."),
        ("xyz", ["VDFD", "Joint"], ". Valid names: Joint, VDFD."),
        ("weight", [], ": there is none to give; take it out."),
    ],
)
def test_unknown_name(name, valid, message):
    assert str(unknown_name("method", name, valid)) == f"unknown method '{name}'{message}"


@pytest.mark.parametrize("error", [InputError, KeyboardInterrupt])
def test_a_folder_is_replaced_as_a_whole_or_stands(tmp_path, error):
    def folder_of(text, fails=False):
        def write(folder):
            folder.mkdir()
            (folder / "file").write_text(text)
            if fails:
                raise error

        return write

    root = replace_folder(tmp_path / "data", folder_of("old"))
    with pytest.raises(error):
        replace_folder(root, folder_of("half", fails=True))
    assert (root / "file").read_text() == "old"
    (root / "more").write_text("")
    (tmp_path / ".data.partial").mkdir()  # of a process that was killed
    assert replace_folder(root, folder_of("new")) == root
    assert os.listdir(root) == ["file"] and (root / "file").read_text() == "new"
    assert os.listdir(tmp_path) == ["data"]
