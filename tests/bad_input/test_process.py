"""The exit status and the message as a shell sees them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.bad_input.damage import assert_says, other_protocol, truncate

ROOT = Path(__file__).resolve().parents[2]


class TestProcess:
    """The exit status and the message as a shell sees them."""

    def start(self, tool, *arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, str(ROOT / "tools" / f"{tool}.py"), *map(str, arguments)],
            capture_output=True, text=True, env=environment, check=False, timeout=300,
        )  # fmt: skip

    def assert_refused(self, done, *words):
        assert done.returncode == 2
        assert "Traceback" not in done.stderr + done.stdout
        # What MMSegmentation prints of its own optional parts.
        assert "OneDL" not in done.stdout
        lines = [line for line in done.stderr.splitlines() if line.startswith("vdfd_seg: error:")]
        assert len(lines) == 1
        assert_says(done.stderr, *words)

    def test_train_unknown_method(self, config_file, tmp_path):
        file = config_file({"method": {"type": "VDFT"}})
        done = self.start("train", file, "--work-dir", tmp_path / "work")
        self.assert_refused(done, "Did you mean 'VDFD'?")
        assert not (tmp_path / "work").exists()

    def test_test_protocol_mismatch(self, copied):
        run, file = copied
        other_protocol(run / "step_02" / "checkpoint.pth")
        self.assert_refused(self.start("test", file, run), "0123456789abcdef")

    def test_list_that_climbs_out(self, config_file, data, tmp_path):
        with open(data / "ImageSets/Segmentation/val.txt", "a") as file:
            file.write("../../secret\n")
        dataset = {"train_dataloader.dataset.data_root": str(data),
                   "test_dataloader.dataset.data_root": str(data)}  # fmt: skip
        done = self.start("train", config_file(dataset), "--work-dir", tmp_path / "work")
        self.assert_refused(done, "outside the data root")

    def test_infer_damaged_checkpoint(self, copied, scenes, tmp_path):
        path = copied[0] / "step_00" / "checkpoint.pth"
        truncate(path)
        done = self.start("infer", path, scenes / "JPEGImages", "--out", tmp_path / "out")
        self.assert_refused(done, str(path), "is damaged")
