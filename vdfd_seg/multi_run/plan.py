"""What several runs of several configs consist of: folders, orders, shared first steps."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from mmengine.config import Config

from vdfd_seg.engine.input.overrides import parse_options
from vdfd_seg.engine.input.settings import Settings, load_run
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.errors import InputError, reading
from vdfd_seg.evaluation import load_results
from vdfd_seg.multi_run.processes import Job
from vdfd_seg.protocols import random_orders
from vdfd_seg.utils.files import atomic_write_text, writable_dir
from vdfd_seg.utils.nested import difference_text, without_keys

RECORD = "multi_run.json"


@dataclass
class Run:
    """One config with one seed.

    Attributes:
        settings: The config, as it will be trained.
        folder: The run's work dir.
        name: What tables and reports call it.
        method: What it is grouped by.
        options: What was changed in the config's file: dotted keys and values.
        order: Number of the random order; None for the config's own.
        first: The run whose step 0 it starts from; None where it trains its own.
    """

    settings: Settings
    folder: Path
    name: str
    method: str
    options: Mapping = field(default_factory=dict)
    order: int | None = None
    first: "Run | None" = None

    @property
    def finished(self) -> bool:
        """Whether every step has its checkpoint and its results."""
        work_dir, steps = WorkDir(self.folder), range(len(self.settings.protocol.tasks))
        files = [work_dir.results, *map(work_dir.checkpoint, steps)]
        return all(map(Path.exists, files)) and len(self.results()["steps"]) == len(steps)

    @property
    def start(self) -> Path | None:
        """The checkpoint that it starts from; None where it trains its own step 0."""
        return None if self.first is None else WorkDir(self.first.folder).checkpoint(0)

    def results(self) -> dict:
        """Its ``results.json``."""
        return load_results(self.folder)

    def record(self) -> dict:
        """What decides its results apart from the config's file, as JSON has it."""
        record = {
            "config": self.settings.name,
            "seed": self.settings.seed,
            "order": self.order,
            "options": self.options,
            "first": self.first.name if self.first else None,
        }
        return json.loads(json.dumps(record))

    def check(self) -> None:
        """Refuse a folder that holds another run."""
        path = self.folder / RECORD
        if not path.exists():
            return
        with reading(f"'{path}' is not a JSON file; remove it"):
            found = json.loads(path.read_text())
        other = difference_text(found, self.record())
        if other:
            raise InputError(
                f"'{self.folder}' holds another run: {other}; give another --work-dir, or "
                f"--overwrite."
            )

    def write(self) -> Path:
        """Write its record and its config; the config's path."""
        writable_dir(self.folder, "work dir")
        atomic_write_text(self.folder / RECORD, json.dumps(self.record(), indent=1) + "\n")
        # A run is called by the name of its file.
        path = self.folder / "config" / f"{self.settings.name}.py"
        path.parent.mkdir(exist_ok=True)
        if not self.options:
            files = [str(file.resolve()) for file in self.settings.files]
            return atomic_write_text(path, f"_base_ = {files}\nseed = {self.settings.seed}\n")
        atomic_write_text(path, self.settings.text)
        try:
            Config.fromfile(path, import_custom_modules=False)
        except Exception as error:  # Whatever a name that is no text raises.
            raise InputError(
                f"config '{self.settings.name}' has a value that cannot be written as text "
                f"({error}); give types as strings, and no functions or infinities."
            ) from error
        return path


def plan_runs(
    configs: Sequence[str | Path],
    work_dir: Path,
    seeds: Sequence[int],
    orders: int = 0,
    share_first: bool = False,
    options: Mapping | None = None,
    methods: Sequence[str] = (),
    grid: Sequence[str] = (),
) -> list[Run]:
    """Every config with every seed and order, in ``CONFIG[/KEY=VALUE][/order_N]/seed_S``.

    Args:
        configs: Configs or benchmarks: files, or names of packaged ones.
        work_dir: Where the runs go.
        seeds: The seeds.
        orders: How many random orders of the classes or domains; 0 for the configs' own.
        share_first: Start from the step 0 of the first config with the same seed and order, where
            that is allowed: not for methods that must train it themselves, and only with the same
            network and first task.
        options: Dotted keys and values that change every config.
        methods: With each of these methods; none for configs with their own.
        grid: Of each config every combination of these values, see :func:`grid_points`.

    Returns:
        The runs; one that others start from comes before them.
    """
    options = options or {}
    if orders and "protocol.order" in options:
        raise InputError("--orders draws protocol.order, which --cfg-options sets; give one.")
    chosen: Sequence[str | None] = methods or [None]
    pairs = list(product(configs, chosen))
    loaded = [load_run(*pair, options, seeds[0]) for pair in pairs]
    named: dict[str, list] = {"config": [each.name for each in loaded], "seed": list(seeds)}
    for what, values in named.items():
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise InputError(f"the {what} '{twice[0]}' is given twice; runs are named by it.")
    names = [each.method_name for each in loaded]
    drawn = [
        random_orders(each.config.protocol.to_dict(), each.protocol, orders) if orders else []
        for each in loaded
    ]
    runs = []
    for number, seed in product(range(1, orders + 1) if orders else [None], seeds):
        first = None
        for place, point in product(range(len(pairs)), grid_points(grid)):
            plain = loaded[place]
            folder, asked = work_dir / plain.name, {**options, **parse_options(point)}
            method = plain.method_name if names.count(plain.method_name) == 1 else plain.name
            if point:
                folder /= ",".join(point).replace("/", "_")
                method = f"{method}, {', '.join(point)}"
            name = f"{method}, seed {seed}"
            if number is not None:
                order = drawn[place][number - 1]
                asked |= {f"protocol.{key}": value for key, value in order.items()}
                folder, name = folder / f"order_{number}", f"{name}, order {number}"
            as_loaded = seed == seeds[0] and asked == options
            settings = plain if as_loaded else load_run(*pairs[place], asked, seed)
            run = Run(settings, folder / f"seed_{seed}", name, method, asked, number)
            if first is None:
                first = run
            elif share_first:
                reason = why_not_shared(settings, first.settings)
                run.first = None if reason else first
                if reason and seed == seeds[0] and number in (None, 1):
                    print(f"{method} trains its own step 0: {reason}")
            runs.append(run)
    return runs


def grid_points(grid: Sequence[str]) -> list[tuple[str, ...]]:
    """Every combination of a grid's values, each as ``--cfg-options``; one empty one without.

    Example:
        >>> grid_points(["method.weight=1,10", "seed=3"])
        [('method.weight=1', 'seed=3'), ('method.weight=10', 'seed=3')]
    """
    axes = {}
    for axis in grid:
        key, equals, values = axis.partition("=")
        if not equals or not all(values.split(",")):
            raise InputError(f"--grid '{axis}' is not of the form KEY=VALUE,VALUE,...")
        if key in axes:
            raise InputError(f"--grid gives '{key}' twice; list all its values once.")
        axes[key] = [f"{key}={value}" for value in values.split(",")]
    return list(product(*axes.values()))


def why_not_shared(settings: Settings, first: Settings) -> str:
    """Why a run cannot start from another's step 0; empty where it can."""
    if "own_training" in settings.method().requires:
        return "it remembers a task while it trains"
    beginnings = [(p.scenario, p.dataset, p.tasks[0]) for p in (settings.protocol, first.protocol)]
    if beginnings[0] != beginnings[1]:
        return "its first task is another"
    # Without their losses: what they train to is not what they are.
    models = [without_keys(s.for_step(0).model.to_dict(), "loss_decode") for s in (settings, first)]
    return "its network is another" if models[0] != models[1] else ""


def unfinished(runs: Sequence[Run], overwrite: bool = False) -> list[tuple[Run, list[str]]]:
    """The runs that are left to do, each with the arguments of ``vdfd_seg`` that finish it.

    With ``overwrite`` all start again. Runs that others start from come first.
    """
    for run in () if overwrite else runs:
        run.check()
    left = []
    for run in runs:
        if run.finished and not overwrite:
            continue
        arguments = ["train", str(run.write()), "--work-dir", str(run.folder)]
        arguments.append("--overwrite" if overwrite else "--resume")
        if overwrite:
            # Neither finished, nor a start for others, until it is trained again.
            WorkDir(run.folder).checkpoint(0).unlink(missing_ok=True)
        if run.first is not None:
            arguments += ["--init-from", str(run.start)]
        left.append((run, arguments))
    return left


def jobs_of(runs: Sequence[Run], overwrite: bool = False) -> list[Job]:
    """The processes that do what is :func:`unfinished`, each with a ``log.txt`` in its folder."""
    jobs: dict[int, Job] = {}
    for run, arguments in unfinished(runs, overwrite):
        command, log = [sys.executable, "-m", "vdfd_seg", *arguments], run.folder / "log.txt"
        jobs[id(run)] = Job(run.name, command, log, run.start, jobs.get(id(run.first)))
    return list(jobs.values())
