"""The data set in its official folders, through the converter and the shipped configs."""

import numpy as np
import pytest
from PIL import Image

from tests import fake_cityscapes as fake
from tools.dataset_converters import cityscapes as tool
from vdfd_seg.cli import run_guarded
from vdfd_seg.datasets.conversion.cityscapes import convert_cityscapes, train_id_table
from vdfd_seg.engine import load_run
from vdfd_seg.engine.input.data import open_data
from vdfd_seg.errors import InputError
from vdfd_seg.protocols.cityscapes import CITIES, CLASSES

SIZES = {city: 2 + index % 4 for index, city in enumerate(CITIES)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = fake.write_cityscapes(tmp_path_factory.mktemp("cityscapes"), SIZES)
    convert_cityscapes(root)
    return root


def opened(root):
    settings = load_run("cityscapes_11-5", "finetune", {"data_root": str(root)})
    return settings, open_data(settings)


class TestConverter:
    def test_ids_are_those_of_the_data_sets_own_table(self):
        """Written out by hand from Cityscapes' label definitions."""
        table = train_id_table()
        ids = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11,
               25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}  # fmt: skip
        assert {i: int(table[i]) for i in range(256) if 0 <= table[i] < 255} == ids
        assert [i for i in range(256) if table[i] == 255] == [
            *range(7), 9, 10, 14, 15, 16, 18, 29, 30, 255]  # fmt: skip
        assert CLASSES[ids[26]] == "car" and CLASSES[ids[31]] == "train"

    def test_every_label_is_converted(self, root):
        for name in fake.names(SIZES):
            with Image.open(root / f"gtFine/{name}_gtFine_labelTrainIds.png") as converted:
                assert (np.asarray(converted) == train_id_table()[fake.label_ids(name)]).all()
        assert not list(root.glob("gtFine/test/*/*TrainIds.png"))

    def test_second_call_writes_what_is_missing_alone_and_counts_the_same(self, root):
        def times():
            return {p: p.stat().st_mtime_ns for p in root.rglob("*_labelTrainIds.png")}

        before = times()
        lost = next(iter(before))
        lost.unlink()
        found = convert_cityscapes(root)
        assert times() == {**before, lost: lost.stat().st_mtime_ns}
        assert found["train"] + found["val"] == SIZES
        assert set(found["val"]) == set(fake.VAL_CITIES)

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (np.full((8, 16), 34, np.uint8), "hold 34; Cityscapes' ids are 0 to 33"),
            (np.zeros((8, 16, 3), np.uint8), "have mode RGB"),
            (None, "damaged, truncated"),
        ],
    )
    def test_labels_that_cannot_be_used(self, tmp_path, content, says):
        fake.write_cityscapes(tmp_path, {"aachen": 2})
        path = tmp_path / "gtFine/train/aachen/aachen_000001_000019_gtFine_labelIds.png"
        if content is None:
            path.write_text("no image")
        else:
            Image.fromarray(content).save(path)
        with pytest.raises(InputError, match=f"aachen_000001.*{says}"):
            convert_cityscapes(tmp_path)
        assert not list(tmp_path.rglob("aachen_000001*TrainIds*"))

    def test_missing_images_and_labels(self, tmp_path):
        with pytest.raises(InputError, match="unpack leftImg8bit_trainvaltest.zip"):
            convert_cityscapes(tmp_path)
        fake.write_cityscapes(tmp_path, {"aachen": 2})
        (tmp_path / "gtFine/train/aachen/aachen_000001_000019_gtFine_labelIds.png").unlink()
        with pytest.raises(InputError, match="aachen_000001.*unpack gtFine_trainvaltest.zip"):
            convert_cityscapes(tmp_path)

    def test_tool(self, root, tmp_path, capsys):
        assert run_guarded(tool.main, [str(root)]) == 0
        lines = capsys.readouterr().out.splitlines()
        count = sum(SIZES[city] for city in fake.VAL_CITIES)
        assert lines[1].startswith(f"val: {count} images of 3 cities (the official set has 500")
        assert run_guarded(tool.main, [str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("vdfd_seg: error: ") and error.count("\n") == 1


class TestDataset:
    def test_train_and_val_in_the_order_of_the_paths(self, root, registered_modules):
        _, data = opened(root)
        found = [name.removesuffix("_leftImg8bit") for name in data.train.names]
        assert found == fake.names(SIZES)
        assert data.train.digest == data.test.digest
        counts = np.bincount(train_id_table()[fake.label_ids(found[0])].ravel(), minlength=256)
        assert data.train.counts[0].tolist() == counts.tolist()

    def test_what_is_not_converted_has_no_list(self, tmp_path, registered_modules):
        fake.write_cityscapes(tmp_path, {"aachen": 1})
        with pytest.raises(InputError, match=r"trainval\.txt' does not exist"):
            opened(tmp_path)

    def test_samples_of_both_pipelines(self, root, registered_modules):
        settings, data = opened(root)
        name = data.train.names[0].removesuffix("_leftImg8bit")
        labels = train_id_table()[fake.label_ids(name)]
        for part, samples in (("train", data.train_samples(0)), ("test", data.test_samples(0))):
            cfg = settings.config[f"{part}_dataloader"]["dataset"]
            packed = data.dataset(part, samples, cfg["pipeline"])[(0, 0)]
            truth = packed["data_samples"].gt_sem_seg.data
            assert packed["inputs"].shape == (3, 512, 512) and truth.shape == (1, 512, 512)
            assert set(truth.unique().tolist()) <= {*range(19), 255}
        # 8 x 16 becomes 512 x 1024, and its middle are the columns 4 to 11.
        sample = data.test_samples(0)[0]
        sample = type(sample)(0, sample.label_map, 0)
        truth = data.dataset("test", [sample], cfg["pipeline"])[0]["data_samples"].gt_sem_seg.data
        assert (truth[0, 32::64, 32::64].numpy() == labels[:, 4:12]).all()
