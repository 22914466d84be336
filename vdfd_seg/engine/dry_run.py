"""What a run would read, counted before anything trains."""

import io

from rich import box
from rich.console import Console
from rich.table import Table

from vdfd_seg.datasets.protocol_data import ProtocolData
from vdfd_seg.engine.environment import set_up
from vdfd_seg.engine.networks import build_network
from vdfd_seg.engine.sequence import open_data
from vdfd_seg.engine.settings import Settings


def count_steps(data: ProtocolData) -> list[dict]:
    """For each step its images, and images and pixels per new class.

    Returns:
        ``step``, ``task``, ``train_images``, ``validation_images``,
        ``test_images``, ``classes_seen`` and ``classes``: for every foreground
        class (domain-incremental: every class) that the step trains on, a pair
        of training images and pixels.
    """
    protocol, counts = data.protocol, data.train.index.counts
    rows = []
    for step, task in enumerate(protocol.tasks):
        images = data.train_images(step)
        labels = [protocol.label_names[i] for i in protocol.task_labels(step)]
        names = [name for name in labels if name != protocol.background]
        held = {
            name: (int((counts[images, i] > 0).sum()), int(counts[images, i].sum()))
            for name, i in zip(names, protocol.mask_ids(names), strict=True)
        }
        rows.append(
            {
                "step": step,
                "task": task.name,
                "train_images": len(images),
                "validation_images": len(data.validation_images(step)),
                "test_images": len(data.test_samples(step)),
                "classes_seen": protocol.num_classes(step),
                "classes": held,
            }
        )
    return rows


def dry_run(settings: Settings) -> str:
    """The counts of every step as text, with the network's size.

    Raises:
        InputError: For anything a run would be refused for.
    """
    set_up()
    data = open_data(settings)
    protocol = data.protocol
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("step", "task", "train", "validation", "test", "classes seen",
                   "new classes: training images, pixels"):  # fmt: skip
        table.add_column(column, overflow="fold")
    for row in count_steps(data):
        held = ", ".join(
            f"{n} {images}, {pixels}" for n, (images, pixels) in row["classes"].items()
        )
        table.add_row(
            *(str(row[k]) for k in ("step", "task", "train_images", "validation_images",
                                    "test_images", "classes_seen")),
            held,
        )  # fmt: skip
    last = len(protocol.tasks) - 1
    network, _ = build_network(settings.for_step(last).model, protocol.num_classes(last))
    size = sum(p.numel() for p in network.parameters())
    text = io.StringIO()
    console = Console(file=text, width=120)
    console.print(
        f"{protocol.dataset} {protocol.name}, {protocol.scenario}-incremental"
        f"{', ' + protocol.setting if protocol.setting else ''}, fingerprint {data.fingerprint}",
        highlight=False,
    )
    console.print(table, highlight=False)
    console.print(
        f"{type(network).__name__} with {size:,} parameters after the last step; method "
        f"{settings.config.method.type}. Nothing was trained.",
        highlight=False,
    )
    return text.getvalue().rstrip()
