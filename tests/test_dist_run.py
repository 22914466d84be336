"""What is said when processes of a distributed run end."""

import importlib.util

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from tests.python_process import ROOT, one_thread_environment, run_python

TOOL = ROOT / "tools" / "dist_run.py"
SPEC = importlib.util.spec_from_file_location("dist_run", TOOL)
dist_run = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(dist_run)


def failures(*codes):
    return {
        rank: ProcessFailure(rank, 100 + rank, code, "<N/A>")
        for rank, code in enumerate(codes)
        if code
    }


class TestExplanation:
    @pytest.mark.parametrize(
        ("codes", "rank"),
        [
            # The others fail because the killed one is gone, or are stopped.
            ((1, -9), 1), ((-15, -9), 1), ((1, -15), 0), ((0, 0, 1), 2), ((1, -15, -11), 2),
        ],
    )  # fmt: skip
    def test_names_the_process_that_failed_first(self, codes, rank):
        assert dist_run.cause(failures(*codes)) == rank

    def test_of_bad_input_is_the_process_s_own(self):
        assert dist_run.explanation(failures(2, -15)) == (2, "")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [("pass", 0, None), ("sys.exit(4 * int(os.environ['RANK']))", 4, "process 1 (pid ")],
)
def test_status_of_the_run(tmp_path, code, status, said):
    script = tmp_path / "script.py"
    script.write_text(f"import os, sys\n{code}\n")
    arguments = (TOOL, "--standalone", "--nproc_per_node=2", script)
    done = run_python(*arguments, env=one_thread_environment())
    assert done.returncode == status, done.stderr
    assert said is None or said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
