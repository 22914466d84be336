import pytest

from vdfd_seg import cli
from vdfd_seg.utils import installation


class TestForksAndOriginals:
    @pytest.fixture
    def installed(self, monkeypatch):
        names = set()
        monkeypatch.setattr(installation, "_installed", names.__contains__)
        return names

    @pytest.mark.parametrize(
        "names",
        [
            {"onedl-mmengine", "onedl-mmcv", "onedl-mmsegmentation"},
            {"mmengine", "mmcv", "mmsegmentation"},
            set(),
        ],
    )
    def test_one_family_is_fine(self, installed, names):
        installed |= names
        installation.check_distributions()

    @pytest.mark.parametrize("original", ["mmcv", "mmcv-lite"])
    def test_both_are_refused(self, installed, original, command, capsys):
        installed |= {"onedl-mmengine", "onedl-mmcv", original}
        command(lambda argv: pytest.fail("ran in a mixed environment"))
        assert cli.main(["train"]) == 2
        err = capsys.readouterr().err
        assert f"{original} next to onedl-mmcv." in err
        assert f"pip uninstall -y onedl-mmcv {original} && pip install onedl-mmcv\n" in err
