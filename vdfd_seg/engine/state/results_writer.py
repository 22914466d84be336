"""``results.json`` of a run, updated after every step."""

from mmengine.dist import barrier, is_main_process

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.errors import InputError
from vdfd_seg.evaluation import load_results, write_results
from vdfd_seg.evaluation.measures import forward_transfer, summarise
from vdfd_seg.evaluation.readable import format_number
from vdfd_seg.evaluation.results_file import SCHEMA, SUMMARY
from vdfd_seg.utils.nested import difference_text

_RULES = ("name", "dataset", "scenario", "setting", "unseen", "average")
_OF_LAST = ("old", "new", "all", "hiou", "mean_accuracy", "pixel_accuracy")
_COSTS = (
    "seconds", "seconds_per_iter", "seconds_after_task", "parameters", "memory_bytes", "held_bytes",
    "peak_memory_bytes", "peak_memory_of",
)  # fmt: skip


class ResultsWriter:
    """The results of the steps finished so far.

    Args:
        run: The run's files; None to keep the results in memory.
        settings: What runs.
        data: The protocol and its images.
        environment: Versions and hardware.
        command: The command line.

    Raises:
        InputError: When existing results belong to another method, seed or protocol. A protocol
            with the first of this one's tasks is accepted.
    """

    def __init__(
        self, run: WorkDir | None, settings: Settings, data: ContinualData, environment, command
    ):
        self.run, self.data = run, data
        self.protocol = protocol = data.protocol
        self.entries: dict[int, dict] = {}
        self.results = {
            "schema": SCHEMA,
            "method": settings.method_name,
            "config": settings.name,
            "seed": settings.seed,
            "protocol": {
                **{key: getattr(protocol, key) for key in _RULES},
                "fingerprint": data.fingerprint,
                "tasks": [
                    {"name": t.name, "classes": list(t.classes), "domains": list(t.domains)}
                    for t in protocol.tasks
                ],
                "classes": list(protocol.label_names),
                "palette": protocol.palette_of_labels(),
                "evaluate_on": data.evaluate_on,
            },
            "metric": data.metric,
            "matrix": [],
            "summary": dict.fromkeys(SUMMARY),
            "steps": [],
            "environment": environment,
            "command": command,
        }
        self._shorter: dict | None = None
        if run is not None and run.results.exists():
            self._continue(load_results(run.results))

    def _continue(self, found):
        now, then = self.results["protocol"], found["protocol"]
        same = now["fingerprint"] == then["fingerprint"]
        # Whether the earlier tasks are the same is asked of their checkpoints.
        keys = ["method", "seed"]
        if not same and len(now["tasks"]) <= len(then["tasks"]):
            keys.append("protocol")
        other = difference_text(
            {key: found[key] for key in keys}, {key: self.results[key] for key in keys}
        )
        if other:
            raise InputError(
                f"'{self.run.results}' holds results of another run: {other}; give another "
                f"--work-dir, or --overwrite."
            )
        if not same:
            self._shorter = found
            return
        self.entries = {entry["step"]: entry for entry in found["steps"]}
        self.results |= {key: found[key] for key in ("matrix", "summary", "steps")}

    def begin(self) -> bool:
        """Put results of fewer tasks aside; whether there were such.

        There may be more test images now, and other examples: all steps must then be evaluated
        again from their checkpoints, so that all rows compare.
        """
        barrier()
        if self._shorter is None or self.run is None:
            return False
        if is_main_process():
            tasks, now = len(self._shorter["protocol"]["tasks"]), len(self.protocol.tasks)
            aside = self.run.set_results_aside(tasks)
            print(
                f"the {tasks} tasks of '{self.run.path}' are the first of {now} now: their "
                f"checkpoints and all that the method remembers are kept, their steps are "
                f"evaluated again; the results so far are kept as '{aside.name}'.",
                flush=True,
            )
        return True

    def has(self, step: int) -> bool:
        """Whether a step has been evaluated."""
        return step in self.entries

    def add(self, step: int, metrics: dict, meta: dict) -> None:
        """Add or replace a step's entry, with its checkpoint's ``meta``, and write the file."""
        row = metrics["row"]
        self.entries[step] = {
            "step": step,
            "task": self.protocol.tasks[step].name,
            "classes_seen": list(self.protocol.classes_seen(step)),
            **{key: value for key, value in metrics.items() if key != "row"},
            "train_images": meta["train_images"],
            "test_images": len(self.data.test_samples(step)),
            **{key: meta[key] for key in _COSTS},
        }
        self.results["steps"] = [self.entries[step] for step in sorted(self.entries)]
        matrix, count = self.results["matrix"], len(self.protocol.tasks)
        matrix += [[None] * count for _ in range(len(matrix), max(self.entries) + 1)]
        matrix[step] = row + [None] * (count - len(row))
        self.results["summary"] = self._summary()
        if self.run is not None and is_main_process():
            write_results(self.run.results, self.results)

    def _summary(self) -> dict:
        # Of steps that were not asked for nothing is known.
        entries = [self.entries.get(step, {}) for step in range(max(self.entries) + 1)]
        summary = {
            **summarise(self.results["matrix"], [entry.get("overall") for entry in entries]),
            **{key: entries[-1][key] for key in _OF_LAST if key in entries[-1]},
        }
        if any("next_task" in entry for entry in entries):
            ahead = entries[: len(self.protocol.tasks) - 1]
            summary["fwt"] = forward_transfer(
                *([e.get(key) for e in ahead] for key in ("next_task", "next_task_untrained"))
            )
        return summary

    def line(self, step: int, seconds: float) -> str:
        """One line on a step just evaluated."""
        entry = self.entries[step]
        parts = [f"{self.results['metric']} {format_number(entry['overall'])}"]
        for key in ("old", "new"):
            if entry.get(key) is not None:
                parts.append(f"{key} {format_number(entry[key])}")
        return (
            f"step {step} ({entry['task']}): {', '.join(parts)}; trained "
            f"{entry['seconds']:.0f} s, evaluated {seconds:.0f} s"
        )
