"""Commands of the documentation run as they are written, on tiny and embedded data sets.

In the default run: docs/en/user_guides/train_and_evaluate.md and read_a_report.md. In the slow set
(``make test-all``): README.md, distributed.md on two CPU processes, and whatever the other pages
(multi_run.md, classification.md, those of ``configs``, ...) show on the embedded data, with few
iterations. What needs more than these is parsed in ``test_docs.py``.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys

import pytest

from tests.documented import PAGES, ROOT, blocks, commands, main_of, name_of, tool_of
from tests.python_process import run_python
from tests.tiny import changed, tiny_config, write_config
from vdfd_seg.cli import run_guarded

GUIDES = ROOT / "docs/en/user_guides"
SHORTER = {
    "digits-": ["train_cfg.max_epochs=1"],
    "digitscenes": ["train_cfg.max_iters=2", "step_overrides.1:.train_cfg.max_iters=2"],
}
"""What is changed in benchmarks on embedded data, by a part of their names."""
EMBEDDED = re.compile(r"([a-z-]+_)?digits(cenes_|-)")


def run(command, names):
    """Run a command in this process, with the page's stand-ins replaced."""
    tool, arguments = tool_of(command)
    stand_ins = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(names, key=len, reverse=True))})(?!\w)")
    arguments = [stand_ins.sub(lambda found: str(names[found[0]]), a) for a in arguments]
    assert run_guarded(main_of(tool), arguments) == 0, (command, arguments)


def of_one_process(page, folder):
    """A page's commands that start a tool without a launcher."""
    folder.mkdir()
    found = [command for command in commands(page, folder) if tool_of(command)]
    return [c for c in found if c[0] != "srun" and not tool_of(c)[0].endswith("dist_run.py")]


@pytest.fixture
def place(scenes, finetune_run, tmp_path, monkeypatch):
    """A folder with what the pages' names stand for, and no runs yet."""
    write_config(tmp_path / "tiny.py", tiny_config(scenes))
    other = changed(tiny_config(scenes), {"method": {"type": "FineTune"}})
    write_config(tmp_path / "other.py", other)
    images = tmp_path / "images"
    images.mkdir()
    for name in ("val_00.jpg", "val_01.jpg"):
        shutil.copy(scenes / "JPEGImages" / name, images)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    names = {
        "CONFIG": "tiny.py", "WORK_DIR": "run", "WORK_DIR_A": "run",
        "WORK_DIR_B": finetune_run.path, "IMAGES": "images", "DIR": "images",
    }  # fmt: skip
    return tmp_path, names


def test_train_resume_evaluate_and_report(place, vdfd_run, capsys):
    folder, names = place
    done = of_one_process(GUIDES / "train_and_evaluate.md", folder / "shell")
    assert len(done) == 9
    for command in done:
        run(command, names)
    results = json.loads((folder / "run/results.json").read_text())
    assert results["matrix"] == vdfd_run.results["matrix"]
    assert json.loads((folder / "step1.json").read_text())["matrix"][1] == results["matrix"][1]
    assert len(list((folder / "overlays").iterdir())) == 2
    assert (folder / "comparison.html").stat().st_size > 10_000


def test_read_a_report(place, vdfd_run, capsys):
    folder, names = place
    names = {**names, "WORK_DIR": vdfd_run.path, "WORK_DIR_A": vdfd_run.path}
    page = GUIDES / "read_a_report.md"
    for command in of_one_process(page, folder / "shell"):
        run(command, names)
    (folder / "work_dirs").mkdir()
    (folder / "work_dirs/run").symlink_to(vdfd_run.path)
    capsys.readouterr()
    for text in blocks(page, "python"):
        exec(compile(text, str(page), "exec"), {})
    assert str(vdfd_run.results["summary"]["all"]) in capsys.readouterr().out


def test_the_report_has_the_sections_that_the_page_explains(vdfd_run):
    from vdfd_seg.visualization import write_report

    page = (GUIDES / "read_a_report.md").read_text()
    report = write_report([vdfd_run.path], vdfd_run.path / "report.html").read_text()
    for title in re.findall(r"<h2>(.*?)</h2>", report):
        assert f"\n## {title}\n" in page, title


@pytest.mark.slow
def test_readme(place, vdfd_run):
    folder, names = place
    done = []
    for command in of_one_process(ROOT / "README.md", folder / "shell"):
        tool, arguments = tool_of(command)
        if tool.split("/")[-1] in ("train.py", "test.py", "infer.py"):
            # The tiny config in place of the benchmark and its method.
            command = " ".join(command).replace("digitscenes_4-3", "CONFIG")
            run(command.replace(" --method vdfd-plus", "").split(), names)
            done.append(tool.split("/")[-1])
    assert done == ["train.py", "test.py", "infer.py"]
    assert list((folder / "PICTURES").iterdir())


@pytest.mark.slow
def test_launchers_on_two_processes(place, scenes):
    """distributed.md: ``dist_train.sh`` and ``dist_test.sh`` themselves."""
    folder, _ = place
    # Plain batch norm has statistics of its own in each CPU process, and only the first one's are
    # in the checkpoint that is tested again.
    still = {
        "train_cfg": {"max_iters": 3},
        "step_overrides": {},
        "model.backbone.norm_eval": True,
        "model.decode_head.norm_cfg": {"type": "GN", "num_groups": 4},
    }
    write_config(folder / "tiny.py", changed(tiny_config(scenes), still))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {
        **os.environ, "PORT": port, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    for script, *arguments in (
        ("dist_train.sh", "tiny.py", "2", "--work-dir", "run"),
        ("dist_test.sh", "tiny.py", "run", "2", "--all-steps", "--out", "again.json"),
    ):
        done = subprocess.run(
            ["bash", str(ROOT / "tools" / script), *arguments],
            env=environment, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
    trained, tested = (
        json.loads((folder / name).read_text()) for name in ("run/results.json", "again.json")
    )
    assert trained["matrix"] == tested["matrix"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_embedded_data(page, place, tmp_path):
    """A page's ``train``, ``multi_run`` and ``demo`` on the embedded data sets."""
    ran = 0
    for command in of_one_process(page, tmp_path / "shell"):
        tool, arguments = tool_of(command)
        if tool.endswith("demo.py"):
            run([*command, "--iters", "2"], {"CONFIG": "-"})
            continue
        configs = [a for a in arguments if EMBEDDED.match(a)]
        options = [o for part, o in SHORTER.items() if configs and part in configs[0]]
        if (
            not options
            or "rehearsal.py" in arguments
            or "--init-from" in arguments
            or re.search("/(analysis_tools|studies)/", tool)
        ):
            continue
        extra = ["--cfg-options", *options[0], "log_level=WARNING"]
        if tool.endswith("train.py") and "--work-dir" not in arguments:
            extra += ["--work-dir", f"runs/{ran}"]
        run([*command, *extra], {"CONFIG": "-"})
        ran += 1


@pytest.mark.slow
def test_documentation_builds_without_a_warning(tmp_path):
    for name in ("sphinx", "myst_parser", "furo", "sphinx_copybutton"):
        pytest.importorskip(name)
    options = ("-W", "--keep-going", "-n", "-q", "-b", "html", "-c", "docs")
    done = run_python("-m", "sphinx", *options, ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stderr[-4000:]
    for page in PAGES:
        assert (tmp_path / "site" / name_of(page)).with_suffix(".html").exists(), page
