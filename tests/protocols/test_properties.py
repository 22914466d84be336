"""What holds for every protocol and every mask, on protocols and masks drawn by hypothesis."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vdfd_seg.datasets.segmentation.index import ClassIndex
from vdfd_seg.datasets.segmentation.selection import test_images, train_images
from vdfd_seg.datasets.segmentation.task_dataset import MaskLabels
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX, PROTOCOLS, Protocol, build_protocol

COMMON = {"deadline": None, "database": None, "derandomize": True,
          "suppress_health_check": [HealthCheck.too_slow]}  # fmt: skip

test_images.__test__ = False


@st.composite
def protocols(draw, **rules):
    """Class-incremental protocols over some of a data set's classes, in any order."""
    count = draw(st.integers(2, 12))
    names = [f"c{i}" for i in range(count)]
    background = draw(st.booleans())
    order = draw(st.permutations(names[1:] if background else names))
    order = order[: draw(st.integers(1, len(order)))]
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(order) - 1)), max_size=4)))
    groups = [list(part) for part in np.split(np.array(order, object), cuts) if len(part)]
    if background:
        groups[0] = ["c0", *groups[0]]
        rules = {**rules, "background": "c0", "unseen": draw(st.sampled_from(["background",
                 "ignore"]))}  # fmt: skip
    else:
        rules = {**rules, "background": None, "unseen": "ignore"}
    rules["setting"] = draw(st.sampled_from(["overlap", "disjoint"]))
    return build_protocol({"type": "Custom", "classes": names, "tasks": groups, **rules})


def masks(protocol):
    """Masks of the protocol's data set, with pixels to be ignored."""
    values = [*range(len(protocol.classes)), IGNORE_INDEX]
    rows = st.lists(st.sampled_from(values), min_size=3, max_size=3)
    return st.lists(rows, min_size=1, max_size=4).map(lambda m: np.array(m, np.uint8))


def expected_label(protocol, value, step, kind):
    """What a pixel becomes, said in names of classes rather than with a table."""
    if value == IGNORE_INDEX:
        return IGNORE_INDEX
    name = protocol.classes[value]
    if name == protocol.background:
        return 0
    seen = protocol.classes_seen(step)
    visible = protocol.tasks[step].classes if kind == "train" else seen
    if name in visible:
        return list(protocol.label_names).index(name)
    hidden = protocol.unseen if kind == "test" else "background"
    return 0 if hidden == "background" and protocol.background else IGNORE_INDEX


@settings(max_examples=200, **COMMON)
@given(st.data())
def test_every_pixel_is_labelled_as_its_class_says(data):
    protocol = data.draw(protocols())
    step = data.draw(st.integers(0, len(protocol.tasks) - 1))
    mask = data.draw(masks(protocol))
    before = mask.copy()
    tables = {
        "train": protocol.train_label_map(step),
        "joint": protocol.train_label_map(step, cumulative=True),
        "test": protocol.test_label_map(step),
    }
    for kind, table in tables.items():
        results = {"gt_seg_map": mask.copy(), "continual_label_map": table}
        found = MaskLabels().transform(results)["gt_seg_map"]
        assert found.dtype == np.uint8
        assert found.shape == mask.shape
        wanted = [[expected_label(protocol, v, step, kind) for v in row] for row in mask.tolist()]
        assert found.tolist() == wanted
        # The network has an output for every label, and no label of a class it does not know.
        labels = set(np.unique(found).tolist()) - {IGNORE_INDEX}
        assert all(label < protocol.num_classes(step) for label in labels)
    assert (mask == before).all()


@settings(max_examples=100, **COMMON)
@given(st.data())
def test_steps_get_the_images_that_their_rule_says(data):
    protocol = data.draw(protocols())
    width = len(protocol.classes)
    rows = st.lists(st.integers(0, 2), min_size=width, max_size=width)
    held = data.draw(st.lists(rows, min_size=1, max_size=12))
    counts = np.zeros((len(held), 256), np.int64)
    counts[:, :width] = held
    index = ClassIndex(tuple(f"i{n}" for n in range(len(held))), counts, "digest")
    steps = range(len(protocol.tasks))
    for step in steps:
        own = set(protocol.foreground_ids([step]))
        old = set(protocol.foreground_ids(range(step)))
        for image, classes in enumerate(held):
            present = {i for i, n in enumerate(classes) if n} - (
                {protocol.classes.index(protocol.background)} if protocol.background else set()
            )
            wanted = bool(present & own)
            if protocol.setting == "disjoint":
                wanted &= present <= own | old
            assert (image in train_images(protocol, index, step)) == wanted
        ((task, tested),) = test_images(protocol, index, step)
        assert task == 0
        assert set(tested) == {i for i, c in enumerate(held) if any(c[j] for j in own | old)}
    if protocol.setting == "disjoint":
        parts = [set(train_images(protocol, index, step)) for step in steps]
        assert sum(map(len, parts)) == len(set().union(*parts))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=4)
    | st.sampled_from(["background", "a", "10-5", "4-3", "overlap", "class", "domain", "task"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=3) | st.sampled_from(["name", "classes", "domains"]), inner,
                      max_size=3),
    max_leaves=10,
)  # fmt: skip
KEYS = ("name", "dataset", "scenario", "classes", "tasks", "background", "setting", "unseen",
        "average", "validation", "domain_split", "test_share", "palette", "split", "order",
        "num_classes", "problem", "x")  # fmt: skip


@settings(max_examples=600, **COMMON)
@given(
    st.sampled_from([*PROTOCOLS, "Vocc", None]),
    st.dictionaries(st.sampled_from(KEYS), PLAIN, max_size=5),
)
def test_whatever_a_config_says_is_a_protocol_or_one_message(kind, rules):
    try:
        protocol = build_protocol({"type": kind, **rules})
    except InputError as error:
        assert str(error)
        return
    assert isinstance(protocol, Protocol)
    assert len(protocol.fingerprint()) == 16
    for step in range(len(protocol.tasks)):
        assert len(protocol.train_label_map(step)) == 256
        assert len(protocol.test_label_map(step)) == 256
