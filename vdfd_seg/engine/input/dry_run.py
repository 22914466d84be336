"""Counts the images that a run would read, before anything trains."""

import copy
import io
import textwrap
from dataclasses import replace

from rich import box
from rich.console import Console
from rich.table import Table

from vdfd_seg.engine.input.data import open_data
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.input.unsupported import notice
from vdfd_seg.engine.networks import build_network
from vdfd_seg.engine.run.environment import set_up
from vdfd_seg.engine.run.rehearsal import rehearse
from vdfd_seg.models.weight_files import drop_absent


def dry_run(settings: Settings) -> str:
    """The counts of every step as text, with the network's size.

    Nothing is downloaded. Initial weights that are not on this machine yet are named, and random
    ones used in their place.
    """
    set_up()
    config = copy.deepcopy(settings.config)
    absent = drop_absent(config)
    settings = replace(settings, config=config)
    data = open_data(settings)
    rehearse(settings, data, range(len(settings.protocol.tasks)))
    protocol = data.protocol
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("step", "task", "train", "validation", "test", "classes seen",
                   f"new classes: {data.counted}"):  # fmt: skip
        table.add_column(column, overflow="fold")
    for step, task in enumerate(protocol.tasks):
        train, test = data.train_samples(step), data.test_samples(step)
        images = [len(train), len(data.validation_images(step)), len(test)]
        # Lines break between classes only: textwrap does not split at this kind of space.
        counts = (f"{name}: {count}" for name, count in data.class_counts(step).items())
        classes = textwrap.fill("; ".join(each.replace(" ", "\u00a0") for each in counts), 48)
        numbers = map(str, (*images, protocol.num_classes(step)))
        table.add_row(str(step), task.name, *numbers, classes.replace("\u00a0", " "))
    last = len(protocol.tasks) - 1
    network, _ = build_network(settings.for_step(last).model, protocol.task_sizes(last))
    size = sum(p.numel() for p in network.parameters())
    text = io.StringIO()
    Console(file=text, width=120, highlight=False).print(table)
    lines = [
        f"{protocol.dataset} {protocol.name}, {protocol.scenario}-incremental"
        f"{', ' + protocol.setting if protocol.setting else ''}, fingerprint {data.fingerprint}",
        text.getvalue().rstrip() + "\n",
        f"{type(network).__name__} with {size:,} parameters after the last step; method "
        f"{settings.config.method.type}. One batch was tried of everything; nothing was trained.",
        notice(settings.config),
        *(f"initial weights that training will fetch: {each}" for each in absent),
    ]
    return "\n".join(filter(None, lines))
