"""What the methods share that hold the network of the step before."""

import pytest


@pytest.mark.parametrize("name", ["ILT", "LwF", "LwFMC", "MiB", "PLOP", "RCIL"])
def test_the_teacher_sees_the_images_once_an_iteration_without_a_gradient(taught, losses_of, name):
    step, _ = taught({"type": name}, updates=0)
    teacher, calls = step.method.teacher, []
    assert not any(module.training for module in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    teacher.backbone.register_forward_hook(lambda *_: calls.append(1))
    losses_of(step)
    assert len(calls) == 1
