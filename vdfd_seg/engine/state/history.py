"""What finished steps were trained on, so that a longer protocol can continue from them."""

from dataclasses import asdict

from vdfd_seg.datasets.data import ContinualData

_EVALUATION = ("unseen", "average")


def history(data: ContinualData, step: int) -> dict:
    """What the training of a step follows from in its protocol and images.

    Tasks after the step do not enter, so that it is the same under a protocol with more of them;
    neither does what only the evaluation depends on, nor the ids of classes in the masks.

    Returns:
        Plain data: the rules, ``tasks`` (classes and domains up to the step) and of the
        step's training images the ``count`` and a digest, ``images``.
    """
    protocol = data.protocol
    left_out = ("name", "palette", "classes", "tasks", *_EVALUATION)
    rules = {key: value for key, value in asdict(protocol).items() if key not in left_out}
    tasks = [
        {"classes": list(task.classes), "domains": list(task.domains)}
        for task in protocol.tasks[: step + 1]
    ]
    count, images = len(data.train_samples(step)), data.train_digest(step)
    return {**rules, "tasks": tasks, "count": count, "images": images}


def places(data: ContinualData, step: int) -> list[int]:
    """Positions in the data set of a step's training images, for methods that carry them."""
    return [sample.image for sample in data.train_samples(step)]
