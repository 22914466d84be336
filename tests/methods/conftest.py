"""Steps of the tiny protocol, taken without a Runner."""

from types import SimpleNamespace

import pytest
import torch


def forbidden(*_):
    raise AssertionError("the method reached for what it did not declare")


@pytest.fixture
def begin(tiny_network, tiny_protocol, make_batch):
    """Begin a step: its network grown, its method prepared, a batch with its labels."""
    from vdfd_seg.methods import TaskContext, build_method
    from vdfd_seg.models import ContinualLearner, SegmentationView, grow

    def start(cfg, step=0, previous=None, protocol=None, growth="random", **settings):
        protocol = protocol or tiny_protocol()
        network = tiny_network(protocol.num_classes(step), seed=step, **settings)
        view = SegmentationView(network)
        if previous:
            grow(network, previous.state, view.rows, protocol.num_classes(step - 1), growth)
        method = build_method(cfg)
        inputs, samples = make_batch(len(protocol.classes), seed=step)
        table = torch.tensor(protocol.train_label_map(step))
        for sample in samples:
            sample.gt_sem_seg.data = table[sample.gt_sem_seg.data]

        def batches(limit=None):
            count = len(samples) if limit is None else min(limit, len(samples))
            for i in range(count):
                yield inputs[i : i + 1], samples[i : i + 1]

        def old_network():
            if not method.needs_old_network:
                forbidden()
            old = tiny_network(protocol.num_classes(step - 1), **settings)
            old.load_state_dict(previous.state)
            return old.eval().requires_grad_(False)

        context = TaskContext(
            protocol=protocol,
            step=step,
            view=view,
            carried=previous.carried if previous else {},
            batches=batches,
            old_network=old_network if step else None,
            log=lambda line: None,
        )
        view.begin(method.num_hidden(context))
        torch.manual_seed(0)
        method.before_task(context)
        learner = ContinualLearner(network, method, view).train()
        return SimpleNamespace(
            learner=learner, network=network, method=method, view=view, context=context,
            inputs=inputs, samples=samples,
        )  # fmt: skip

    return start


@pytest.fixture
def losses_of():
    """The losses of a step's batch, always with the same dropout mask."""

    def compute(step):
        torch.manual_seed(1)
        return step.learner(step.inputs, step.samples, mode="loss")

    return compute


@pytest.fixture
def train(losses_of):
    """Some updates as the hooks make them."""

    def run(step, updates=2, lr=0.05, optimizer=torch.optim.SGD, **settings):
        optimizer = optimizer(step.learner.parameters(), lr=lr, **settings)
        for _ in range(updates):
            optimizer.zero_grad()
            losses = step.learner(step.inputs, step.samples, mode="loss")
            sum(value for name, value in losses.items() if "loss" in name).backward()
            step.method.before_update(step.view)
            optimizer.step()
            step.method.after_update(step.view, lr)

    return run


@pytest.fixture
def end():
    """End a step: the network's weights and what the method carries on."""

    def finish(step):
        return SimpleNamespace(
            state={k: v.clone() for k, v in step.network.state_dict().items()},
            carried=step.method.after_task(step.context),
        )

    return finish
