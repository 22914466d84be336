import pytest

from tests.python_process import run_python
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import build_protocol

CLASSES = ("background", "cat", "dog", "cow", "bus")


def custom(**changes):
    """Masks 0 background, 1 cat, 2 dog, 3 cow, 4 bus; learned: cow, cat | dog | (never) bus."""
    rules = {"classes": CLASSES, "tasks": [["background", "cow", "cat"], ["dog"]], **changes}
    return build_protocol({"type": "Custom", **rules})


def domains(**changes):
    rules = {"classes": ["road", "car"], "tasks": [["aachen", "bremen"], ["zurich"]], **changes}
    return build_protocol({"type": "Custom", "scenario": "domain", **rules})


def test_numbers_of_classes():
    protocol = custom()
    assert [protocol.num_classes(s) for s in (0, 1)] == [3, 4]
    assert [protocol.num_old(s) for s in (0, 1)] == [0, 3]
    assert protocol.classes_seen(0) == ("background", "cow", "cat")
    assert protocol.label_names == ("background", "cow", "cat", "dog")
    assert [list(protocol.task_labels(s)) for s in (0, 1)] == [[0, 1, 2], [3]]
    assert list(protocol.task_of_class(1)) == [0, 0, 0, 1]
    assert protocol.task_sizes(1) == [3, 1]
    assert protocol.mask_ids(protocol.label_names) == (0, 3, 1, 2)
    assert protocol.foreground_ids([0]) == (3, 1)
    assert protocol.foreground_ids([0, 1]) == (3, 1, 2)


@pytest.mark.parametrize(
    ("protocol", "training", "testing"),
    [
        # Masks 0 background, 1 cat, 2 dog, 3 cow, 4 bus; after steps 0 and 1. In training old and
        # future classes are background.
        (custom(unseen="background"), [[0, 2, 0, 1, 0], [0, 0, 3, 0, 0]],
         [[0, 2, 0, 1, 0], [0, 2, 3, 1, 0]]),
        (custom(unseen="ignore"), [[0, 2, 0, 1, 0], [0, 0, 3, 0, 0]],
         [[0, 2, 255, 1, 255], [0, 2, 3, 1, 255]]),
        (custom(unseen="ignore_background"), [[0, 2, 0, 1, 0], [0, 0, 3, 0, 0]],
         [[255, 2, 255, 1, 255], [255, 2, 3, 1, 255]]),
        # Masks 0 cat, 1 dog, 2 cow: what is hidden is ignored.
        (custom(classes=["cat", "dog", "cow"], tasks=[["cow"], ["cat", "dog"]]),
         [[255, 255, 0], [1, 2, 255]], [[255, 255, 0], [1, 2, 0]]),
        # Over domains no class is hidden, a background neither.
        (domains(), [[0, 1], [0, 1]], [[0, 1], [0, 1]]),
        (domains(background="road"), [[0, 1], [0, 1]], [[0, 1], [0, 1]]),
    ],
)  # fmt: skip
def test_label_tables_by_hand(protocol, training, testing):
    for step in (0, 1):
        rest = [-1] * (255 - len(training[step]))
        assert list(protocol.train_label_map(step)) == [*training[step], *rest, 255]
        assert list(protocol.test_label_map(step)) == [*testing[step], *rest, 255]


MANY = ["background", *(f"c{i}" for i in range(255))]


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (dict(tasks=[["background", "dog"], ["cat", "dog"]]), "class 'dog' is named more than"),
            (dict(tasks=[["background", "cta"]]), "class 'cta' is not one of"),
            (dict(classes=[*CLASSES, "cat"]), "'cat' .*twice"),
            (dict(tasks=[["cat", "background"]]), "must be the first class of the first task"),
            (dict(tasks=[]), "has no tasks"),
            (dict(tasks=[["background", "cat"], []]), "has no classes"),
            (dict(tasks=[{"classes": "cat"}]), "must be a list of names"),
            (dict(tasks=[{"name": "x", "clases": ["background"]}]), "unknown key.*clases"),
            (dict(palette=[(0, 0, 0)]), "palette"),
            (dict(classes=MANY, tasks=[MANY]), "255"),
            (dict(setting="overlapped"), "setting='overlapped' is not one of"),
            (dict(unseen="bg"), "unseen='bg' is not one of"),
            (dict(scenario="task"), "scenario='task' is not for segmentation"),
            (dict(background=None, unseen="ignore_background"), "needs a background class"),
            (dict(unseen="ignore_background", average="all"), "average='all' counts the back"),
            *[
                ({key: share}, f"{key} must be in")
                for key in ("validation", "test_share")
                for share in (-0.1, 1, 1.5)
            ],
            *[
                (dict(classes=["background", name], tasks=[[name]]), "must be text in one line")
                for name in ("", "cat ", "a\nb", "\ufeffcat", None)
            ],
        ],
    )
    def test_of_classes(self, changes, message):
        with pytest.raises(InputError, match=message):
            custom(**changes)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (dict(background="car"), "must be the first class"),
            (dict(tasks=[["aachen"], []]), "has no domains"),
            (dict(tasks=[["a"], ["a"]]), "domain 'a' is named more than once"),
            (
                dict(tasks=[{"classes": ["road"], "domains": ["a"]},
                            {"classes": ["car"], "domains": ["b"]}]),
                "introduces classes",
            ),
        ],
    )  # fmt: skip
    def test_of_domains(self, changes, message):
        with pytest.raises(InputError, match=message):
            domains(**changes)

    @pytest.mark.parametrize("name", ["Background", "_background_", "bg", "BG"])
    def test_a_class_that_may_be_the_background(self, name):
        rules = dict(classes=[name, "cat"], tasks=[[name, "cat"]])
        with pytest.raises(InputError, match=f"class '{name}' the background.*='{name}'"):
            custom(**rules)
        assert custom(**rules, background=name).background == name
        assert custom(**rules, background=None, unseen="ignore").background is None

    @pytest.mark.parametrize(
        ("cfg", "message"),
        [
            ({"type": "VOCC", "split": "10-5"}, "unknown protocol type 'VOCC'. Did you mean 'VOC'"),
            ({"split": "10-5"}, "unknown protocol type 'None'.*Valid names: .*VOC"),
            ({"type": "VOC", "split": "10-5x"}, "unknown VOC split '10-5x'. Did you mean '10-5'"),
            ({"type": "VOC", "splitt": "10-5"}, "unknown key.*'splitt'. Did you mean 'split'"),
            ({"type": "VOC"}, "protocol VOC: .*split"),
            ({"type": "VOC", "split": ["10-5"]}, "VOC"),
            ({"type": "Cityscapes", "split": "11-5", "order": []}, "name each city"),
            ({"type": "Custom", "classes": [], "tasks": [], "order": []}, "Custom: .*order"),
            ({"type": "VOC", "split": "10-5", "validation": "half"}, "protocol VOC"),
            ("VOC", "protocol must be a dict"),
        ],
    )
    def test_configs_that_name_what_does_not_exist(self, cfg, message):
        with pytest.raises(InputError, match=message):
            build_protocol(cfg)


@pytest.mark.parametrize("name", ["traffic light", "Straße", "дом", "道路", "Cat", "x" * 300])
def test_class_names_as_people_have_them(name):
    tasks = [["background", "cat"], [name]]
    assert custom(classes=["background", "cat", name], tasks=tasks).classes_seen(1)[2] == name


def test_protocols_import_neither_torch_nor_openmmlab():
    code = (
        "import sys, vdfd_seg.protocols; "
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('torch', 'mmengine', 'mmcv', 'mmseg', 'cv2', 'numpy')])"
    )
    assert run_python("-c", code).stdout.strip() == "[]"
