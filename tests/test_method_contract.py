"""What every registered method promises, in the real engine: two steps of three iterations.

The second step is trained twice from one first step: uninterrupted, and interrupted and resumed.
"""

import shutil
from types import SimpleNamespace

import pytest
from mmengine.runner import IterBasedTrainLoop

from tests.methods.test_contract import CASES
from tests.test_resume import assert_same_run, checkpoint
from tests.tiny import changed, tiny_classifier_config, tiny_config, write_config
from tests.waits import Waits
from vdfd_seg.datasets import ClassificationData, SegmentationData, write_arrays
from vdfd_seg.engine.input.settings import load_run
from vdfd_seg.engine.run.sequence import train_sequence
from vdfd_seg.engine.run.testing import evaluate_checkpoints
from vdfd_seg.methods import build_method
from vdfd_seg.registry import METHODS
from vdfd_seg.utils.checkpoint import nbytes

SHORT = {"train_cfg": {"max_iters": 3}, "save_interval": 2, "param_scheduler": []}
MODEL = {
    "model.backbone.num_stages": 2, "model.backbone.strides": (2, 2),
    "model.backbone.dilations": (1, 1), "model.backbone.out_indices": (0, 1),
    "model.decode_head.in_channels": 8, "model.decode_head.in_index": 1,
    "model.decode_head.channels": 8, "step_overrides": {}, "examples": 0,
}  # fmt: skip
OPTIONS = {
    ("VDFDPlus", "class"): {"gaussians": 0.3},
    ("VDFDPlus", "segmentation"): {"replay": 64, "num_views": 2, "reconstruct": 2},
}
"""What is tested beyond a method's defaults: what it carries must come through as well."""


@pytest.fixture(scope="module")
def arrays(tiny_arrays, tmp_path_factory):
    """A folder of tiny images to classify."""
    root = tmp_path_factory.mktemp("arrays")
    for split, each in (("train", 8), ("test", 3)):
        made = tiny_arrays(each)
        write_arrays(root, split, made.images, made.labels, made.classes)
    return root


@pytest.fixture(scope="module")
def read():
    """The training images read since the list was cleared, with what the step's own are."""
    found = SimpleNamespace(images=set(), data=None)

    def recorded(kind, name, part, samples):
        original = getattr(kind, name)

        def wrapper(self, *arguments):
            if part(arguments) == "train":
                found.data = self
                found.images |= {sample.image for sample in samples(arguments)}
            return original(self, *arguments)

        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        for kind in (SegmentationData, ClassificationData):
            wrapper = recorded(kind, "train_loader", lambda a: "train", lambda a: a[0])
            patch.setattr(kind, "train_loader", wrapper)
            wrapper = recorded(kind, "pass_over", lambda a: a[0], lambda a: a[1])
            patch.setattr(kind, "pass_over", wrapper)
        yield found


@pytest.fixture(scope="module")
def waits():
    """Of each run's second iteration, which nothing logs or measures, by step."""
    found, original = {}, IterBasedTrainLoop.run_iter

    def counted(self, data_batch):
        if self._iter != 1:
            return original(self, data_batch)
        with Waits() as waits:
            original(self, data_batch)
        found[len(found)] = waits.names

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IterBasedTrainLoop, "run_iter", counted)
        yield found


def resume(file, work_dir, steps=2):
    """Continue with a run; without the command, whose report takes longest."""
    results = train_sequence(load_run(file), work_dir, resume=True, steps=range(steps))
    return SimpleNamespace(path=work_dir, results=results)


# What is asked here does not depend on whether a classifier is told the task.
@pytest.fixture(scope="module", params=[c for c in CASES if c[1] != "task"], ids="-".join)
def case(request, scenes, arrays, interrupt, read, waits, tmp_path_factory):
    """A method's uninterrupted and resumed run, and the images that its second step read."""
    name, kind = request.param
    folder = tmp_path_factory.mktemp(name)
    method = {"type": name, **OPTIONS.get(request.param, {})}
    if kind == "segmentation":
        config = changed(tiny_config(scenes), {**SHORT, **MODEL, "method": method})
    else:
        config = changed(tiny_classifier_config(arrays, method, kind), SHORT)
    file = write_config(folder / "tiny.py", config)
    if METHODS.get(name).closed_form:
        # Without iterations there is nothing to interrupt: the second step is run again.
        train_sequence(load_run(file), folder / "whole", steps=range(1))
        shutil.copytree(folder / "whole", folder / "resumed")
    else:
        interrupt(file, folder / "resumed", step=1, at=2)
        assert (folder / "resumed" / "step_01" / "resume.pth").exists()
        shutil.copytree(folder / "resumed", folder / "whole")
        shutil.rmtree(folder / "whole" / "step_01")
    waited = dict(waits)
    waits.clear()
    read.images.clear()
    whole = resume(file, folder / "whole")
    images, data = set(read.images), read.data
    resumed = resume(file, folder / "resumed")
    return SimpleNamespace(
        whole=whole, resumed=resumed, images=images, data=data, file=file,
        method=build_method(method), waits=waited,
    )  # fmt: skip


def test_a_resumed_step_equals_an_uninterrupted_one_to_the_bit(case):
    assert_same_run(case.resumed, case.whole, step=1)


def test_an_iteration_waits_for_nothing(case):
    """Where neither losses are logged nor gradients are measured."""
    for names in case.waits.values():
        assert names == [], names


def test_a_run_warns_of_nothing(case):
    """Nothing that a user of its default options could mend, or has to think about."""
    logs = [log for run in (case.whole, case.resumed) for log in run.path.rglob("*.log")]
    assert len(logs) > 2
    # The configs log warnings and nothing less.
    assert not [line for log in logs for line in log.read_text().splitlines()]


def test_images_of_earlier_steps_are_read_only_where_declared(case):
    own = {sample.image for sample in case.data.train_samples(1)}
    assert case.images > own if "old_images" in case.method.requires else case.images == own


def test_the_memory_stated_is_what_the_checkpoint_holds(case):
    for step in (0, 1):
        saved, entry = checkpoint(case.whole, step), case.whole.results["steps"][step]
        images = entry["memory_bytes"] - nbytes(saved["method"]["state"])
        assert images > 0 if "old_images" in case.method.requires else images == 0
        assert entry["memory_bytes"] == saved["meta"]["memory_bytes"]
        assert entry["held_bytes"] == saved["meta"]["held_bytes"]
    # Without its batch norms, which are folded.
    old = sum(nbytes(t) for t in checkpoint(case.whole, 0)["state_dict"].values() if t.ndim > 1)
    if "old_network" in case.method.requires:
        assert entry["held_bytes"] >= old


def test_a_checkpoint_loaded_gives_the_results_of_its_step(case):
    path = case.whole.path / "step_01" / "checkpoint.pth"
    results = evaluate_checkpoints(load_run(case.file), [path])
    assert results["matrix"][1] == case.whole.results["matrix"][1]
