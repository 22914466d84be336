"""A protocol bound to its images."""

import pytest

from vdfd_seg.datasets import open_source
from vdfd_seg.datasets.conversion.preparation import prepare_data
from vdfd_seg.errors import InputError


def names(data, samples, part="train"):
    index = (data.train if part == "train" else data.test).index
    return [index.names[sample.image] for sample in samples]


class TestSteps:
    def test_training_images_by_hand(self, tiny_data):
        data = tiny_data()
        assert names(data, data.train_samples(0)) == ["t0", "t1", "t5", "t6", "t9"]
        assert names(data, data.train_samples(1)) == ["t1", "t2", "t3", "t7", "t9"]
        assert names(data, data.train_samples(2)) == ["t3", "t4", "t5", "t8", "t9"]

    def test_disjoint_training_images_by_hand(self, tiny_data):
        data = tiny_data(setting="disjoint")
        found = [names(data, data.train_samples(step)) for step in range(3)]
        assert found == [["t0", "t6"], ["t1", "t2", "t7"], ["t3", "t4", "t5", "t8", "t9"]]

    def test_test_images_grow_with_the_classes(self, tiny_data):
        data = tiny_data()
        found = [names(data, data.test_samples(step), "test") for step in range(3)]
        assert found == [["v0", "v1"], ["v0", "v1", "v3"], ["v0", "v1", "v2", "v3"]]

    def test_labels_are_the_protocols(self, tiny_data):
        data = tiny_data()
        for step in range(3):
            (table,) = {sample.label_map for sample in data.train_samples(step)}
            assert table == data.protocol.train_label_map(step)
            (table,) = {sample.label_map for sample in data.test_samples(step)}
            assert table == data.protocol.test_label_map(step)
            (table,) = {sample.label_map for sample in data.cumulative_samples(step)}
            assert table == data.protocol.train_label_map(step, cumulative=True)

    def test_cumulative_images_are_the_union_of_the_steps_each_once(self, tiny_data):
        data = tiny_data(setting="disjoint")
        for step in range(3):
            union = {n for s in range(step + 1) for n in names(data, data.train_samples(s))}
            found = names(data, data.cumulative_samples(step))
            assert sorted(found) == sorted(union)

    def test_metainfo_is_in_label_order(self, tiny_data):
        data = tiny_data(palette=[(i, i, i) for i in range(4)])
        meta = data.dataset("train", [], []).metainfo
        assert meta["classes"] == ("background", "a", "b", "c")
        assert meta["palette"] == [[i] * 3 for i in range(4)]


class TestExamples:
    def test_are_the_same_each_time_and_within_the_test_images(self, tiny_data):
        first, second = (tiny_data().example_samples(2) for _ in range(2))
        assert first == second
        assert len(first) == 2

    def test_cover_as_many_classes_as_they_can(self, tiny_data):
        data = tiny_data()
        chosen = names(data, data.example_samples(2), "test")
        # v1 holds a and b, v3 holds b and c: no other pair of images shows all three classes
        # and four appearances.
        assert chosen == ["v1", "v3"]

    def test_no_more_than_there_are(self, tiny_data):
        assert len(tiny_data().example_samples(9)) == 4


class TestRefused:
    @pytest.fixture(autouse=True)
    def cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("VDFD_SEG_CACHE", str(tmp_path / "cache"))

    @pytest.mark.parametrize(
        ("split", "changes", "message"),
        [
            (
                "train",
                {"data_root": "nowhere"},
                "data_root 'nowhere' does.*--cfg-options",
            ),
            ("trian", {}, r"ann_file '.*trian\.txt' does not exist"),
            ("train", {"data_prefix": {"img_path": "Nowhere"}}, "img_path '.*Nowhere' does not"),
            (
                "train",
                {"data_prefix": {"seg_map_path": "Nowhere"}},
                "seg_map_path '.*Nowhere'",
            ),
            ("train", {"type": "BaseSegDatset"}, "BaseSegDatset'. Did you mean 'BaseSegDataset'"),
            ("train", {"type": None}, "dataset type"),
            ("train", {"img_sufix": ".png"}, "img_sufix"),
            ("train", {"ann_file": "t0\nt77\n"}, r"t77\.png: .*missing"),
            ("train", {"ann_file": ""}, "lists no images"),
        ],
    )
    def test_data_sets(self, tiny_dataset_cfg, tiny_protocol, tmp_path, split, changes, message):
        cfg = {**tiny_dataset_cfg(split), **changes}
        if "ann_file" in changes:
            (tmp_path / "list.txt").write_text(changes["ann_file"])
            cfg["ann_file"] = str(tmp_path / "list.txt")
        with pytest.raises(InputError, match=message):
            open_source(cfg, tiny_protocol(), progress=False)

    def test_mask_with_a_class_that_the_protocol_lacks(self, tiny_dataset_cfg, tiny_protocol):
        protocol = tiny_protocol(classes=("background", "a"), tasks=[["background", "a"]])
        with pytest.raises(InputError, match="valid ids are 0 to 1"):
            open_source(tiny_dataset_cfg("train"), protocol, progress=False)

    def test_a_step_without_training_images(self, tiny_data):
        with pytest.raises(InputError, match=r"step 2 \(d\).*no training images in '.*tiny"):
            tiny_data(
                classes=("background", "a", "b", "c", "d"),
                tasks=[["background", "a"], ["b"], ["d"]],
            )

    def test_unknown_preparation(self):
        with pytest.raises(InputError, match="Did you mean 'write_digit_scenes'"):
            prepare_data({"type": "write_digit_scene"})


def test_no_preparation_does_nothing():
    prepare_data(None)


class TestDomains:
    @pytest.fixture
    def source(self, tmp_path, write_image, write_mask, monkeypatch):
        monkeypatch.setenv("VDFD_SEG_CACHE", str(tmp_path / "cache"))
        for city, count in (("aachen", 5), ("bonn", 10)):
            for number in range(count):
                write_image(tmp_path / f"img/{city}/{city}_{number}.png")
                write_mask(tmp_path / f"gt/{city}/{city}_{number}.png", [[0, 1, 1], [0, 0, 255]])
        cfg = {"type": "BaseSegDataset", "data_root": str(tmp_path), "img_suffix": ".png",
               "data_prefix": {"img_path": "img", "seg_map_path": "gt"}}  # fmt: skip
        return lambda protocol: open_source(cfg, protocol, progress=False)

    def test_a_domain_is_a_folder_of_images(self, source):
        from vdfd_seg.datasets import SegmentationData
        from vdfd_seg.protocols import build_protocol

        protocol = build_protocol(
            {"type": "Custom", "classes": ["road", "car"], "tasks": [["aachen"], ["bonn"]],
             "scenario": "domain", "domain_split": "clean"}
        )  # fmt: skip
        opened = source(protocol)
        data = SegmentationData(protocol, opened, opened)
        for step, city in enumerate(("aachen", "bonn")):
            found = names(data, data.train_samples(step))
            assert len(found) == (4, 8)[step]
            assert all(name.startswith(f"{city}/") for name in found)
        tested = data.test_samples(1)
        assert [sample.task for sample in tested] == [0, 1, 1]
        assert [n.split("/")[0] for n in names(data, tested)] == ["aachen", "bonn", "bonn"]
