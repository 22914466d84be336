from vdfd_seg.protocols import build_protocol
from vdfd_seg.protocols.camvid import CLASSES, SEQUENCES


def camvid(**options):
    return build_protocol({"type": "CamVid", **options})


def test_a_sequence_a_task_or_in_groups():
    protocol = camvid()
    assert [task.domains for task in protocol.tasks] == [(name,) for name in SEQUENCES]
    assert [protocol.classes_seen(step) for step in range(4)] == [CLASSES] * 4
    parts = [task.domains for task in camvid(split="2-1").tasks]
    assert parts == [SEQUENCES[:2], SEQUENCES[2:3], SEQUENCES[3:]]


def test_void_is_neither_learned_nor_tested():
    protocol = camvid()
    for step in range(4):
        for table in (protocol.train_label_map(step), protocol.test_label_map(step)):
            assert table[:12] == (*range(11), 255)
            assert set(table[12:255]) == {-1}
    assert len(protocol.palette_of_labels()) == 11


def test_some_ids_of_ones_own_domains_can_be_void():
    tasks = [{"domains": ["day"], "classes": ["road", "tree"]}, ["night"]]
    cfg = {"type": "Custom", "scenario": "domain", "classes": ["road", "tree", "void"]}
    protocol = build_protocol({**cfg, "tasks": tasks})
    assert protocol.train_label_map(1)[:3] == (0, 1, 255)
    assert protocol.num_classes(0) == protocol.num_classes(1) == 2
