"""What several runs of several configs consist of: folders, orders, shared first steps."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from vdfd_seg.engine.input.overrides import parse_options
from vdfd_seg.engine.input.settings import Settings, load_run
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.errors import InputError
from vdfd_seg.evaluation import load_results
from vdfd_seg.multi_run.processes import Job, vdfd_seg_command
from vdfd_seg.protocols import random_orders
from vdfd_seg.utils.files import atomic_write_text, writable_dir
from vdfd_seg.utils.nested import without_keys

RECORD = "multi_run.json"


@dataclass
class Run:
    """One config with one seed.

    Attributes:
        settings: The config, as it will be trained.
        folder: The run's work dir.
        name: What tables and reports call it.
        method: What it is grouped by.
        changes: Keys that differ from the config's file; with some, a file of its own is written.
        options: ``--cfg-options``, as given.
        order: Number of the random order; None for the config's own.
        first: The run whose step 0 it starts from; None where it trains its own.
    """

    settings: Settings
    folder: Path
    name: str
    method: str
    changes: dict = field(default_factory=dict)
    options: Sequence[str] = ()
    order: int | None = None
    first: "Run | None" = None

    @property
    def finished(self) -> bool:
        """Whether every step has its checkpoint and its results."""
        work_dir = WorkDir(self.folder)
        steps = range(len(self.settings.protocol.tasks))
        if not all(work_dir.checkpoint(step).exists() for step in steps):
            return False
        return work_dir.results.exists() and len(self.results()["steps"]) == len(steps)

    @property
    def start(self) -> Path | None:
        """The checkpoint that it starts from; None where it trains its own step 0."""
        return None if self.first is None else WorkDir(self.first.folder).checkpoint(0)

    def results(self) -> dict:
        """Its ``results.json``."""
        return load_results(self.folder)

    def record(self) -> dict:
        """What decides its results apart from the config's file."""
        return {
            "config": self.settings.name,
            "seed": self.settings.seed,
            "order": self.order,
            "changes": json.loads(json.dumps(self.changes)),
            "options": list(self.options),
            "first": self.first.name if self.first else None,
        }

    def check(self) -> None:
        """Refuse a folder that holds another run."""
        path = self.folder / RECORD
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(f"'{path}' is not a JSON file ({error}); remove it.") from error
        for key, mine in self.record().items():
            if found.get(key) != mine:
                raise InputError(
                    f"'{self.folder}' holds a run with {key} {found.get(key)!r}, now it is "
                    f"{mine!r}; give another --work-dir, or --overwrite."
                )

    def write(self) -> Path:
        """Write its record and, where it is more than one file, a config; the config's path."""
        writable_dir(self.folder, "work dir")
        atomic_write_text(self.folder / RECORD, json.dumps(self.record(), indent=1) + "\n")
        files = self.settings.files
        if not self.changes and len(files) == 1:
            return files[0]
        # A run is called by the name of its file.
        path = self.folder / "config" / f"{self.settings.name}.py"
        path.parent.mkdir(exist_ok=True)
        lines = [f"_base_ = {[str(file.resolve()) for file in files]}"]
        lines += [f"{key} = {value!r}" for key, value in self.changes.items()]
        atomic_write_text(path, "\n".join(lines) + "\n")
        return path


def plan_runs(
    configs: Sequence[str | Path],
    work_dir: Path,
    seeds: Sequence[int],
    orders: int = 0,
    share_first: bool = False,
    options: Sequence[str] = (),
    methods: Sequence[str] = (),
    grid: Sequence[str] = (),
) -> list[Run]:
    """Every config with every seed and order, in ``CONFIG[/KEY=VALUE][/order_N]/seed_S``.

    Args:
        configs: Configs or benchmarks: files, or names of packaged ones.
        work_dir: Where the runs go.
        seeds: The seeds.
        orders: How many random orders of the classes or domains; 0 for the configs' own.
        share_first: Begin from the step 0 of the first config with the same seed and order, where
            that is allowed: not for methods that must train it themselves, and only with the same
            network and first task.
        options: ``--cfg-options``, as given.
        methods: With each of these methods; none for configs with their own.
        grid: Of each config every combination of these values, see :func:`grid_points`.

    Returns:
        The runs; one that others start from comes before them.

    Raises:
        InputError: For a config that cannot be used, two of the same name, a seed given twice, or
            orders that the options fix.
    """
    chosen: Sequence[str | None] = methods or [None]
    pairs = [(config, method) for config in configs for method in chosen]
    parsed = parse_options(options)
    if orders and "protocol.order" in parsed:
        raise InputError("--orders draws protocol.order, which --cfg-options sets; give one.")
    loaded = [load_run(config, method, parsed) for config, method in pairs]
    named: dict[str, list] = {"config": [s.name for s in loaded], "seed": list(seeds)}
    for what, values in named.items():
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise InputError(f"the {what} '{twice[0]}' is given twice; runs are named by it.")
    names = [settings.method_name for settings in loaded]
    titles = [s.method_name if names.count(s.method_name) == 1 else s.name for s in loaded]
    drawn = {
        s.name: random_orders(s.config.protocol.to_dict(), s.protocol, orders) if orders else []
        for s in loaded
    }
    points = grid_points(grid)
    runs = []
    for number in range(1, orders + 1) if orders else [None]:
        for seed in seeds:
            first = None
            for (pair, plain, method), point in product(
                zip(pairs, loaded, titles, strict=True), points
            ):
                folder, changes = work_dir / plain.name, {}
                given = [*options, *point]
                asked = parse_options(given)
                if point:
                    folder = folder / ",".join(point).replace("/", "_")
                    method = f"{method}, {', '.join(point)}"
                name = f"{method}, seed {seed}"
                if number is not None:
                    order = drawn[plain.name][number - 1]
                    changes = {"protocol": order}
                    asked |= {f"protocol.{key}": value for key, value in order.items()}
                    folder, name = folder / f"order_{number}", f"{name}, order {number}"
                folder = folder / f"seed_{seed}"
                settings = load_run(*pair, asked, seed)
                run = Run(settings, folder, name, method, changes, given, number)
                if first is None:
                    first = run
                elif share_first:
                    reason = why_not_shared(run.settings, first.settings)
                    run.first = None if reason else first
                    if reason and seed == seeds[0] and number in (None, 1):
                        print(f"{method} trains its own step 0: {reason}")
                runs.append(run)
    return runs


def grid_points(grid: Sequence[str]) -> list[tuple[str, ...]]:
    """Every combination of a grid's values, each as ``--cfg-options``; one empty one without.

    Args:
        grid: ``KEY=VALUE,VALUE,...`` each.

    Raises:
        InputError: For one without ``=``, or a key that is given twice.

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

    Args:
        runs: The runs, those that others start from first.
        overwrite: Begin all of them again.
    """
    if not overwrite:
        for run in runs:
            run.check()
    left = []
    for run in runs:
        if run.finished and not overwrite:
            continue
        config = run.write()
        if overwrite:
            # Neither finished, nor a start for others, until it is trained again.
            WorkDir(run.folder).checkpoint(0).unlink(missing_ok=True)
        arguments = ["train", str(config), "--work-dir", str(run.folder)]
        arguments += ["--seed", str(run.settings.seed), "--overwrite" if overwrite else "--resume"]
        if run.first is not None:
            arguments += ["--init-from", str(run.start)]
        if run.options:
            arguments += ["--cfg-options", *run.options]
        left.append((run, arguments))
    return left


def jobs_of(runs: Sequence[Run], overwrite: bool = False) -> list[Job]:
    """The processes that finish runs, each with a ``log.txt`` in its folder.

    Args:
        runs: See :func:`unfinished`.
        overwrite: See there.
    """
    jobs: dict[int, Job] = {}
    for run, arguments in unfinished(runs, overwrite):
        command, log = vdfd_seg_command(*arguments), run.folder / "log.txt"
        jobs[id(run)] = Job(run.name, command, log, run.start, jobs.get(id(run.first)))
    return list(jobs.values())
