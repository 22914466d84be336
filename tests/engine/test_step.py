"""What a step's trainer holds."""

import gc
import weakref

from vdfd_seg.engine import load_run, open_data
from vdfd_seg.engine.run.step import StepTrainer
from vdfd_seg.engine.state.work_dir import WorkDir


def test_what_it_prepared_is_freed_with_it(stack, tmp_path):
    """Without garbage being collected: a GPU would hold two steps until it is."""
    options = {"data_root": str(tmp_path), "data_preparation.root": str(tmp_path)}
    settings = load_run("vdfd_digits-task_5", options=options)
    trainer = StepTrainer(settings, open_data(settings), 0, WorkDir(tmp_path))
    gc.collect()
    gc.disable()
    try:
        network = weakref.ref(trainer.prepare().network)
        assert network() is not None
        del trainer
        assert network() is None
    finally:
        gc.enable()
