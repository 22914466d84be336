"""What the documentation points at exists, and its commands are commands of the tools.

Every command of every page is at least parsed by its tool's own parser, with its config loaded
and its options applied: nothing more is possible for those that need VOC, Cityscapes, CIFAR-100,
several GPUs or hours. Other tests run what can run on the embedded or a tiny data set.
"""

import re
from functools import cache
from statistics import median

import pytest

from tests.documented import PAGES, ROOT, blocks, commands, name_of, parsed, sentences, tool_of
from vdfd_seg.cli.arguments import method_and_options
from vdfd_seg.engine import load_run
from vdfd_seg.utils.paths import resolve_run

DATA = sorted({path.stem.split("_")[0] for path in (ROOT / "configs/benchmarks").glob("*.py")})

WRITTEN_BY_THE_READER = {"cities.py"}
"""A config that a page describes in a sentence."""


def is_stand_in(config):
    """``CONFIG``, or a file that a page shows in full: tests of that page load it."""
    shown = {name for page in PAGES for name in shown_files(page)}
    return config.isupper() or config in shown | WRITTEN_BY_THE_READER


@cache
def shown_files(page):
    return re.findall(r"^```python\n# (\S+\.py)$", page.read_text(), re.M)


@cache
def settings_of(config, method, options):
    return load_run(config, method, dict(options))


DIALECT = r"\b(by class|by domain|goes on|besides?|anew|begins? from|is worth|rooms|shall)\b"
"""Words that only this project's authors understand at once."""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_prose_is_short_and_plain(page):
    found = sentences(page)
    assert [s for s in found if re.search(DIALECT, s, re.I)] == []
    if found:
        assert median(len(sentence.split()) for sentence in found) < 20


def test_the_words_of_the_code_are_plain():
    files = [
        p
        for folder in ("vdfd_seg", "tools", "configs")
        for p in ROOT.joinpath(folder).rglob("*.py")
    ]
    found = {name_of(file): re.findall(DIALECT, file.read_text(), re.I) for file in files}
    assert len(found) > 300 and {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_exist(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text()):
        if target.startswith(("http:", "https:")):
            continue
        file = page.parent / target if target else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{target}#{anchor}"


@cache
def anchors(page):
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tools_and_configs_named_exist(page):
    text = page.read_text()
    for tool in re.findall(r"\btools/[\w/]+\.(?:py|sh)", text):
        assert (ROOT / tool).exists(), tool
    # A page of a method has a table of what names begin with.
    for name in re.findall(rf"(?<!\| )`((?:[a-z-]+_)?(?:{'|'.join(DATA)})_[\w-]+)`", text):
        resolve_run(name)
    for config in re.findall(r"configs/[a-z0-9_/.-]+\.py", text):
        assert (ROOT / config).exists(), config


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_accepted_by_their_tools(page, tmp_path, capsys, study_methods):
    for command in commands(page, tmp_path):
        found = tool_of(command)
        if found is None:
            check_other(command)
            continue
        tool, arguments = found
        assert (ROOT / tool).exists(), command
        try:
            args = parsed(tool, arguments)
        except SystemExit:
            pytest.fail(f"{command}: {capsys.readouterr().err}")
        own, options = None, {}
        if isinstance(getattr(args, "method", None), list):
            own, options = method_and_options(args)
        for config in getattr(args, "configs", [getattr(args, "config", None)]):
            for method in getattr(args, "methods", None) or [own]:
                if config is not None and not is_stand_in(config) and not is_stand_in(method or ""):
                    settings_of(config, method, tuple(options.items()))


def check_other(command):
    """Commands that start no tool of ours: installing, and code for ``python -c``."""
    program, *arguments = command
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert next(a for a in arguments if "=" not in a) in targets, command
    elif program == "pip":
        extras = re.search(r"extras_require=\{(.*?)\}", (ROOT / "setup.py").read_text(), re.S)[1]
        for argument in arguments:
            for extra in re.findall(r"\[(\w+)\]", argument):
                assert f'"{extra}"' in extras, command
            if argument.endswith(".txt"):
                assert (ROOT / argument).exists(), command
    elif program == "python" and arguments[0].endswith(".py"):
        assert (ROOT / arguments[0]).exists(), command
    elif program == "python":
        assert arguments[0] == "-c", command
        compile(arguments[1], "python -c", "exec")
    else:
        assert program in ("apt-get", "dnf", "sbatch", "tensorboard"), command


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_are_python(page):
    for text in blocks(page, "python"):
        if not text.startswith(">>>"):
            compile(text, name_of(page), "exec")


def test_a_benchmark_in_three_lines_is_one(tmp_path):
    (text,) = [
        block
        for block in blocks(ROOT / "docs/en/user_guides/train_and_evaluate.md", "python")
        if block.startswith("# digitscenes_5-5.py")
    ]
    file = tmp_path / "digitscenes_5-5.py"
    file.write_text(text.replace("'configs/", f"'{ROOT}/configs/"))
    settings = load_run(file, "vdfd-plus")
    assert [len(task.classes) for task in settings.protocol.tasks] == [6, 5]
    assert settings.files[1] == load_run("digitscenes_4-3", "vdfd-plus").files[1]
