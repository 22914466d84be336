"""Where configs and checkpoints are."""

import re
from pathlib import Path

from vdfd_seg.errors import InputError, nearest, unknown_name

_PACKAGE = Path(__file__).resolve().parent.parent


def configs_dir() -> Path:
    """The folder of the configs: inside an installed package, or ``configs/`` of a clone."""
    bundled = _PACKAGE / ".mim" / "configs"
    if bundled.is_dir():
        return bundled
    root = _PACKAGE.parent
    # Next to an installed package a `configs` folder would be another's.
    if (root / "setup.py").is_file() and (root / "configs").is_dir():
        return root / "configs"
    raise InputError(
        f"the configs of vdfd_seg are neither in {bundled} nor in {root / 'configs'}: "
        "install the package again, or give the path of a config file."
    )


def resolve_config(path_or_name: str | Path) -> Path:
    """The config file that an argument means.

    A file that exists wins. Otherwise the argument is the name of a benchmark or of a result, or
    a path below :func:`configs_dir`, with or without a leading ``configs/`` and with or without
    ``.py``. The VOC splits that the literature calls 10-5 and 10-1 are 11-5 and 11-1 here; both
    names are taken.
    """
    path = Path(path_or_name).expanduser()
    if path.is_file():
        return path

    folder = configs_dir()
    parts = path.parts[1:] if path.parts[:1] == ("configs",) else path.parts
    # A name stays below the folder: '/' and '..' belong to paths, which do not exist.
    if parts and not path.is_absolute() and ".." not in parts:
        name = re.sub(r"(?<![a-z])(voc(-small)?_)10-(?=[15](?!\d))", r"\g<1>11-", "/".join(parts))
        for shelf in (folder, folder / "benchmarks", folder / "results"):
            for candidate in (shelf / name, shelf / f"{name}.py"):
                if candidate.is_file():
                    return candidate

    what = "is a folder, not a config file" if path.is_dir() else "does not exist"
    names = [p.stem for kind in ("benchmarks", "results") for p in folder.glob(f"{kind}/*.py")]
    near = nearest(path.stem, names, cutoff=0.6)
    hint = f" Did you mean {near}?" if near else ""
    raise InputError(f"config '{path_or_name}' {what}.{hint} The configs are in {folder}.")


def method_names() -> list[str]:
    """Names of the methods that have settings of their own in ``configs/methods``."""
    return sorted(path.parent.name for path in configs_dir().glob("methods/*/default.py"))


def method_file(method: str, benchmark: str) -> Path:
    """The file of ``configs/methods/METHOD`` that is for a benchmark.

    That with the longest name which the benchmark's name is, or starts with before a ``-`` or
    ``_``; ``default.py`` if there is none.
    """
    if method not in method_names():
        raise unknown_name("method", method, method_names())
    default = configs_dir() / "methods" / method / "default.py"
    fitting = [f for f in default.parent.glob("*.py") if re.match(rf"{f.stem}([-_]|$)", benchmark)]
    return max(fitting, key=lambda file: len(file.stem), default=default)


def resolve_run(config: str | Path, method: str | Path | None = None) -> tuple[Path, Path | None]:
    """A config, and the file with the method's settings or None where the config has them.

    ``configs/results/METHOD_BENCHMARK.py`` where there is one, else the benchmark and
    :func:`method_file`. The name of a run, ``METHOD_BENCHMARK``, means the same pair.

    Args:
        config: A config or a benchmark, see :func:`resolve_config`, or the name of a run.
        method: One of :func:`method_names`, or a file with a ``method``; None for a config that
            has its own.
    """
    if method is None:
        own, _, benchmark = str(config).partition("_")
        if own in method_names() and not Path(config).is_file():
            return resolve_run(benchmark, own)
        return resolve_config(config), None
    path = resolve_config(config)
    if Path(method).suffix == ".py":
        return path, resolve_config(method)
    fragment = method_file(str(method), path.stem)
    pair = configs_dir() / "results" / f"{method}_{path.name}"
    if path.parent == configs_dir() / "benchmarks" and pair.is_file():
        return pair, None
    return path, fragment


def run_name(config: Path, fragment: Path | None = None) -> str:
    """What a run of :func:`resolve_run`'s files is called: ``METHOD_BENCHMARK``."""
    if fragment is None:
        return config.stem
    packaged = (fragment.parent / "default.py").exists()
    return f"{fragment.parent.name if packaged else fragment.stem}_{config.stem}"


def find_checkpoints(
    path: str | Path, step: int | None = None, all_steps: bool = False
) -> list[Path]:
    """The checkpoints that an argument means: a file, or a work dir's step (None: the last)."""
    path = Path(path)
    if path.is_file():
        if step is not None or all_steps:
            raise InputError(f"--step and --all-steps need a work dir; '{path}' is a file.")
        return [path]
    files = sorted(path.glob("step_[0-9]*/checkpoint.pth"))
    found = {int(p.parent.name[5:]): p for p in files if p.parent.name[5:].isdigit()}
    if not found:
        raise InputError(f"'{path}' is neither a checkpoint nor a work dir with finished steps.")
    if all_steps:
        return list(found.values())
    step = max(found) if step is None else step
    if step not in found:
        raise InputError(
            f"'{path}' has no finished step {step}; there are {', '.join(map(str, found))}."
        )
    return [found[step]]


def step_name(step: int) -> str:
    """Name of a step's folder, ``step_KK``."""
    return f"step_{step:02d}"
