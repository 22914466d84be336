"""Steps of the tiny protocols, taken without a Runner."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from mmengine.dist import get_dist_info

from vdfd_seg.datasets import data as data_module


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def numbered(samples, draws):
    """Data samples that carry the numbers of their views."""
    if not isinstance(samples, list):
        return replace(samples, draws=draws)
    for sample, draw in zip(samples, draws, strict=True):
        sample.set_metainfo({"draw": int(draw)})
    return samples


def views_of(inputs, samples, count):
    """Every image so many times, as ``ContinualData.views`` does, not augmented; a share of it."""
    rank, world = get_dist_info()
    for draw in range(rank, len(inputs) * count, world):
        turn, position = divmod(draw, len(inputs))
        i, number = slice(position, position + 1), position * count + turn
        if isinstance(samples, list):
            one = [samples[position].clone()]
        else:
            one = replace(samples, labels=samples.labels[i], tasks=samples.tasks[i])
        yield inputs[i], numbered(one, torch.tensor([number]))


@pytest.fixture
def segmentation_step(tiny_network, tiny_protocol, make_batch):
    """The network, batch and images of a step of the tiny segmentation protocol."""

    def make(method, step, carried, protocol=None, **settings):
        protocol = protocol or tiny_protocol()

        def network(step):
            return tiny_network(protocol.num_classes(step), seed=step, **settings)

        inputs, samples = make_batch(len(protocol.classes), seed=step)
        table = torch.tensor(protocol.train_label_map(step))
        for sample in samples:
            sample.gt_sem_seg.data = table[sample.gt_sem_seg.data]

        def batches(limit=None, samples=None):
            assert samples is None
            count = len(inputs) if limit is None else min(limit, len(inputs))
            rank, world = get_dist_info()
            for i in range(rank, count, world):
                yield inputs[i : i + 1], batch[i : i + 1]

        batch = samples
        return SimpleNamespace(
            protocol=protocol, network=network, inputs=inputs, samples=samples, batches=batches,
            own=batch,
        )  # fmt: skip

    return make


@pytest.fixture
def classification_step(tiny_classifier):
    """The network, batch and images of a step of a classification protocol."""

    def make(method, step, carried, data, **settings):
        protocol = data.protocol

        def network(step):
            return tiny_classifier(protocol.task_sizes(step), seed=step, **settings)

        preprocess = network(step).data_preprocessor

        def batches(limit=None, samples=None, size=3):
            samples = data.train_samples(step) if samples is None else samples
            if limit is not None and limit < len(samples):
                samples = [samples[i * len(samples) // limit] for i in range(limit)]
            for batch in data.pass_over("train", samples, {"batch_size": size}):
                batch = preprocess(batch, training=False)
                yield batch["inputs"], batch["data_samples"]

        chosen = method.select(data, step, carried)
        with pytest.MonkeyPatch.context() as patch:
            # Of several processes each reads its share in `batches`; this is the whole batch.
            patch.setattr(data_module, "get_dist_info", lambda: (0, 1))
            inputs, samples = next(batches(samples=chosen, size=len(chosen)))
        return SimpleNamespace(
            protocol=protocol, network=network, inputs=inputs, samples=samples, batches=batches,
            own=data.train_samples(step),
        )  # fmt: skip

    return make


@pytest.fixture
def begin(segmentation_step, classification_step):
    """Begin a step: its network grown, its method prepared, a batch with its labels.

    With ``data`` a step of classification, else one of segmentation.
    """
    from vdfd_seg.methods import TaskContext, build_method
    from vdfd_seg.models import ContinualLearner, adapter_of

    def start(cfg, step=0, previous=None, growth="random", data=None, **settings):
        method = build_method(cfg)
        carried = previous.carried if previous else {}
        if data is None:
            parts = segmentation_step(method, step, carried, **settings)
        else:
            parts = classification_step(method, step, carried, data, **settings)
        protocol, network = parts.protocol, parts.network(step)
        method.check(protocol)
        adapter = adapter_of(network, protocol.scenario)
        if previous:
            adapter.load(previous.state, protocol.num_classes(step - 1), growth)

        def old_network():
            if "old_network" not in method.requires:
                raise AssertionError("the method reached for what it did not declare")
            old = parts.network(step - 1)
            old.load_state_dict(previous.state)
            return old.eval().requires_grad_(False)

        context = TaskContext(
            protocol=protocol,
            step=step,
            adapter=adapter,
            carried=carried,
            batches=parts.batches,
            old_network=old_network if step else None,
            log=lambda line: None,
            samples=parts.own,
            views=lambda count: views_of(parts.inputs, parts.samples, count),
        )
        adapter.begin(
            method.num_hidden(context),
            "old_images" in method.requires,
            "old_heads" in method.requires,
        )
        torch.manual_seed(0)
        method.before_task(context)
        samples = numbered(parts.samples, torch.arange(len(parts.inputs)) * (method.num_views or 1))
        learner = ContinualLearner(network, method, adapter).train()
        return SimpleNamespace(
            learner=learner, network=network, method=method, adapter=adapter, context=context,
            inputs=parts.inputs, samples=samples, data=data,
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
            step.method.before_update(step.adapter)
            optimizer.step()
            step.method.after_update(step.adapter, lr)

    return run


@pytest.fixture
def end():
    """End a step as the engine does: what the method carries on, then the network's weights."""

    def finish(step):
        carried = step.method.after_task(step.context)
        state = {k: v.clone() for k, v in step.network.state_dict().items()}
        return SimpleNamespace(state=state, carried=carried)

    return finish


@pytest.fixture
def domains():
    """A domain-incremental protocol with the tiny data set's classes."""
    from vdfd_seg.protocols import build_protocol

    classes, tasks = ["background", "a", "b", "c"], [["x"], ["y"]]
    return build_protocol(
        {"type": "Custom", "classes": classes, "tasks": tasks, "scenario": "domain"}
    )


@pytest.fixture
def successor(begin, train, end):
    """Begin a second step behind a trained one, which it has as ``first``."""

    def make(cfg, growth="random", updates=2, **settings):
        first = begin(cfg, **settings)
        train(first, updates)
        previous = end(first)
        step = begin(cfg, 1, previous, growth, **settings)
        step.first, step.previous = first, previous
        return step

    return make


@pytest.fixture
def taught(successor, train, tiny_network):
    """A second step of segmentation and its teacher, with the student moved away from it."""

    def make(cfg, protocol=None, updates=2, growth="random", **settings):
        step = successor(cfg, growth, protocol=protocol, **settings)
        teacher = tiny_network(step.context.protocol.num_classes(0), **settings)
        teacher.load_state_dict(step.previous.state)
        train(step, updates)
        return step, teacher.eval()

    return make


@pytest.fixture
def two_and_two(tiny_protocol):
    """A background and two classes, then two more."""
    names = ["background", "a", "b", "c", "d"]
    return tiny_protocol(classes=names, tasks=[names[:3], names[3:]])
