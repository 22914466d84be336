import errno
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fake_voc import write_tar
from vdfd_seg.datasets.conversion import archives
from vdfd_seg.datasets.conversion.archives import unpack
from vdfd_seg.errors import InputError

FILES = {"./a/one.txt": b"1", "a/two.txt": b"22", "b/three.bin": bytes(range(256)) * 40}


def read(path, wanted=lambda name: True):
    with TemporaryDirectory() as place:
        unpack(path, Path(place), wanted, "the archive of the test")
        files = [file for file in Path(place).rglob("*") if not file.is_dir()]
        return {file.relative_to(place).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_wanted_members_come_with_their_content(tmp_path, mode):
    path = write_tar(tmp_path / "archive", FILES, mode)
    assert read(path) == {"a/one.txt": b"1", **dict(list(FILES.items())[1:])}
    assert read(path, lambda name: name.startswith("a/")) == {"a/one.txt": b"1", "a/two.txt": b"22"}


def test_links_and_folders_are_passed_over(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = tmp_path / "archive"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(secret)
            archive.addfile(member)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    assert read(path) == {}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_cut_at_any_place(tmp_path, mode):
    """Refused, unless a plain tar is cut between members: no content is ever half."""
    content = write_tar(tmp_path / "archive", FILES, mode).read_bytes()
    whole = read(tmp_path / "archive")
    cut = tmp_path / "cut"
    refused = 0
    ends = range(0, len(content), 97) if mode == "w" else range(len(content))
    for end in ends:
        cut.write_bytes(content[:end])
        try:
            assert read(cut).items() <= whole.items()
        except InputError as error:
            assert str(error).startswith(f"{cut}: ") and "the archive of the test" in str(error)
            refused += 1
    assert refused == len(ends) or (mode == "w" and refused > 10)


def test_other_files(tmp_path):
    (tmp_path / "text").write_text("no archive\n" * 100)
    with pytest.raises(InputError, match="text: no archive, or a damaged or truncated one"):
        read(tmp_path / "text")
    with pytest.raises(InputError, match="absent: there is no such file"):
        read(tmp_path / "absent")
    with pytest.raises(InputError, match="there is no such file"):
        read(tmp_path)


def test_a_member_that_is_far_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBER", 100)
    path = write_tar(tmp_path / "archive", FILES)
    with pytest.raises(InputError, match=r"b/three\.bin is far too large"):
        read(path)
    assert read(path, lambda name: name.startswith("a/"))


@pytest.mark.parametrize("name", ["../evil", "{folder}/evil", "a/../../evil"])
def test_names_that_lead_out_of_the_folder(tmp_path, name):
    path = write_tar(tmp_path / "archive", {name.format(folder=tmp_path): b"evil"})
    place = tmp_path / "out"
    try:
        unpack(path, place, lambda name: True, "the archive of the test")
    except InputError as error:
        assert "no archive" in str(error) and "outside" in str(error)
    assert not [file for file in tmp_path.rglob("evil") if place not in file.parents]


def test_zip_files_are_unpacked_alike(tmp_path, monkeypatch):
    path = tmp_path / "archive"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**FILES, "../evil": b"evil", "folder/": b""}.items():
            archive.writestr(name, content)
    few = read(path, lambda name: name.startswith("a/"))
    assert few == {"a/one.txt": b"1", "a/two.txt": b"22"}
    unpack(path, tmp_path / "out", lambda name: True, "the archive of the test")
    assert [file.parent for file in tmp_path.rglob("evil")] == [tmp_path / "out"]
    monkeypatch.setattr(archives, "MAX_MEMBER", 100)
    with pytest.raises(InputError, match=r"b/three\.bin is far too large"):
        read(path)
    content = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        read(path)


def test_a_tar_file_whose_last_member_is_a_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        archive.writestr("inner", b"")
    files = {**FILES, "c/inner.zip": (tmp_path / "inner.zip").read_bytes()}
    path = write_tar(tmp_path / "archive", files)
    assert zipfile.is_zipfile(path)
    assert read(path)["c/inner.zip"] == files["c/inner.zip"]


def test_a_full_disk_is_no_damaged_archive(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = write_tar(tmp_path / "archive", FILES)
    monkeypatch.setattr(tarfile.TarFile, "extract", full)
    with pytest.raises(OSError, match="No space left"):
        read(path)
