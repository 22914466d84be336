import pytest

from vdfd_seg.datasets import open_source
from vdfd_seg.engine.input.data import prepare_data
from vdfd_seg.errors import InputError


def names(data, samples, part="train"):
    index = data.source(part)
    return [index.names[sample.image] for sample in samples]


BY_HAND = {
    "overlap": [["t0", "t1", "t5", "t6", "t9"], ["t1", "t2", "t3", "t7", "t9"],
                ["t3", "t4", "t5", "t8", "t9"]],
    "disjoint": [["t0", "t6"], ["t1", "t2", "t7"], ["t3", "t4", "t5", "t8", "t9"]],
}  # fmt: skip


@pytest.mark.parametrize("setting", BY_HAND)
def test_images_of_each_step_by_hand(tiny_data, setting):
    data, expected = tiny_data(setting=setting), BY_HAND[setting]
    for step in range(3):
        assert names(data, data.train_samples(step)) == expected[step]
        union = sorted(set().union(*expected[: step + 1]))
        assert names(data, data.cumulative_samples(step)) == union
    tested = [names(data, data.test_samples(step), "test") for step in range(3)]
    assert tested == [["v0", "v1"], ["v0", "v1", "v3"], ["v0", "v1", "v2", "v3"]]


def test_examples_show_as_many_classes_as_they_can(tiny_data):
    """v1 holds a and b, v3 holds b and c: no other pair shows all three in four appearances."""
    data = tiny_data()
    assert names(data, data.example_samples(2), "test") == ["v1", "v3"]
    assert len(data.example_samples(9)) == 4


class TestRefused:
    @pytest.fixture(autouse=True)
    def cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("VDFD_SEG_CACHE", str(tmp_path / "cache"))

    @pytest.mark.parametrize(
        ("split", "changes", "message"),
        [
            ("train", {"data_root": "nowhere"}, "data_root 'nowhere' does.*--cfg-options"),
            ("trian", {}, r"ann_file '.*trian\.txt' does not exist"),
            ("train", {"data_prefix": {"img_path": "Nowhere"}}, "img_path '.*Nowhere' does not"),
            ("train", {"data_prefix": {"seg_map_path": "Nowhere"}}, "seg_map_path '.*Nowhere'"),
            ("train", {"type": "BaseSegDatset"}, "BaseSegDatset'. Did you mean 'BaseSegDataset'"),
            ("train", {"img_sufix": ".png"}, "img_sufix"),
            ("train", {"ann_file": "t0\nt77\n"}, r"t77\.png: .*missing"),
        ],
    )
    def test_data_sets(self, tiny_dataset_cfg, tiny_protocol, tmp_path, split, changes, message):
        cfg = {**tiny_dataset_cfg(split), **changes}
        if "ann_file" in changes:
            (tmp_path / "list.txt").write_text(changes["ann_file"])
            cfg["ann_file"] = str(tmp_path / "list.txt")
        with pytest.raises(InputError, match=message):
            open_source(cfg, tiny_protocol(), progress=False)

    def test_a_step_without_training_images(self, tiny_data):
        with pytest.raises(InputError, match=r"step 2 \(d\).*no training images in '.*tiny"):
            tiny_data(
                classes=("background", "a", "b", "c", "d"),
                tasks=[["background", "a"], ["b"], ["d"]],
            )

    def test_unknown_preparation(self):
        with pytest.raises(InputError, match="Did you mean 'write_digit_scenes'"):
            prepare_data({"type": "write_digit_scene"})


def test_metainfo_is_in_label_order(tiny_data):
    meta = tiny_data(palette=[(i, i, i) for i in range(4)]).dataset("train", [], []).metainfo
    assert meta["classes"] == ("background", "a", "b", "c")
    assert meta["palette"] == [[i] * 3 for i in range(4)]
