from pathlib import Path

import pytest

from vdfd_seg.errors import InputError
from vdfd_seg.utils import paths


class TestResolveConfig:
    @pytest.fixture(autouse=True)
    def configs(self, tmp_path, monkeypatch):
        folder = tmp_path / "packaged"
        for name in ("benchmarks/voc_11-5.py", "results/vdfd_voc_11-5.py"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("")
        (tmp_path / "outside.py").write_text("")
        (tmp_path / "some" / "where").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "some" / "where")
        monkeypatch.setattr(paths, "configs_dir", lambda: folder)
        return folder

    @pytest.mark.parametrize("prefix", ["", "configs/", "./configs/"])
    @pytest.mark.parametrize("suffix", ["", ".py"])
    def test_name_below_the_packaged_configs(self, configs, prefix, suffix):
        # The name has a dot-free stem, but '11-5.py' must not be cut at other characters.
        found = paths.resolve_config(f"{prefix}benchmarks/voc_11-5{suffix}")
        assert found == configs / "benchmarks/voc_11-5.py"
        if prefix == "":
            assert paths.resolve_config(f"voc_11-5{suffix}") == found

    def test_existing_path_wins(self, configs):
        mine = Path("configs/benchmarks/voc_11-5.py")
        mine.parent.mkdir(parents=True)
        mine.write_text("mine = 1")
        assert paths.resolve_config(mine).read_text() == "mine = 1"

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("vdfd_vox_11-5", "does not exist.*Did you mean vdfd_voc_11-5"),
            ("..", "is a folder"),
            *((name, "") for name in ("../outside.py", "configs/../outside", "", "configs", "/")),
        ],
    )
    def test_that_is_no_file_below_the_folder(self, name, message):
        with pytest.raises(InputError, match=message):
            paths.resolve_config(name)


def test_configs_dir_of_a_clone_and_of_an_installed_copy(tmp_path, monkeypatch):
    package = tmp_path / "vdfd_seg"
    package.mkdir()
    monkeypatch.setattr(paths, "_PACKAGE", package)
    (tmp_path / "configs").mkdir()
    with pytest.raises(InputError):  # site-packages/configs belongs to somebody else
        paths.configs_dir()
    (tmp_path / "setup.py").write_text("")
    assert paths.configs_dir() == tmp_path / "configs"
    (package / ".mim" / "configs").mkdir(parents=True)
    assert paths.configs_dir() == package / ".mim" / "configs"
