import numpy as np
import pytest
import torch
from PIL import Image

from tests.inference.conftest import evaluated
from vdfd_seg.errors import InputError
from vdfd_seg.inference import load_predictor
from vdfd_seg.utils.checkpoint import load_step, save_plain


@pytest.mark.parametrize(
    ("method", "options"),
    [("FineTune", {}), ("ICaRL", {"exemplars": 30}), ("LwF", {"gaussians": 0.4})],
    ids=["plain", "icarl", "gaussians"],
)
def test_classes_equal_the_predictions_of_the_evaluation(classifier, digit_images, method, options):
    run = classifier("class", method, **options)
    predict = load_predictor(run.path)
    paths = sorted(digit_images.iterdir())
    found = predict(paths)
    expected = evaluated(run)
    compared = 0
    for path, prediction in zip(paths, found, strict=True):
        assert prediction.name == predict.classes[prediction.label]
        if int(path.stem) in expected:  # Digits of tasks that are not learned are not evaluated.
            assert prediction.name == expected[int(path.stem)]
            compared += 1
    assert compared > 30
    assert predict(paths[3]).label == found[3].label


def test_with_a_task_its_own_classes_compete(classifier, digit_images):
    run = classifier("task")
    for task, names in enumerate([{"zero", "one"}, {"two", "three"}, {"four", "five"}]):
        predict = load_predictor(run.path, task=task)
        expected = evaluated(run, task)
        paths = [path for path in sorted(digit_images.iterdir()) if int(path.stem) in expected]
        assert len(paths) > 10
        assert {each.name for each in predict(sorted(digit_images.iterdir()))} <= names
        assert [each.name for each in predict(paths)] == [expected[int(p.stem)] for p in paths]


def test_scores_are_the_softmax_over_the_competing_classes(classifier, digit_images):
    run = classifier("task")
    path = sorted(digit_images.iterdir())[0]
    everything, one = load_predictor(run.path), load_predictor(run.path, task=1)
    image = torch.from_numpy(everything.read(path)).permute(2, 0, 1)[None].float()
    network = everything.network
    with torch.no_grad():
        logits = network((image / 255 - 0.3) / 0.4)[0]
    assert everything(path).label == int(logits.argmax())
    assert everything(path).score == pytest.approx(logits.softmax(0).max().item(), rel=1e-4)
    assert one(path).score == pytest.approx(logits[2:4].softmax(0).max().item(), rel=1e-4)


def test_images_are_resized_to_those_of_training(classifier, digit_images, tmp_path):
    run = classifier("class")
    predict = load_predictor(run.path)
    assert predict.image_size == (8, 8)
    path = sorted(digit_images.iterdir())[0]
    image = predict.read(path)
    large = np.kron(image, np.ones((4, 4, 1), np.uint8))
    resized = np.asarray(Image.fromarray(large).resize((8, 8), Image.Resampling.BICUBIC))
    assert predict(large) == predict(resized)
    # A checkpoint that does not say: images as they are.
    saved = load_step(run.path / "step_02" / "checkpoint.pth")
    del saved["meta"]["image_size"]
    save_plain(tmp_path / "old.pth", saved)
    old = load_predictor(tmp_path / "old.pth")
    assert old.image_size is None
    assert old(image) == predict(image)
    assert old([image, large])[0].label == predict(image).label


@pytest.mark.parametrize("task", [3, -1])
def test_tasks_that_are_not_there(classifier, task):
    with pytest.raises(InputError, match=f"has no task {task}; it has seen 0 to 2"):
        load_predictor(classifier("task").path, task=task)


def test_files_and_arrays_that_are_no_images(classifier, digits):
    predict = load_predictor(classifier("class").path)
    with pytest.raises(InputError, match="this image is damaged"):
        predict(next(digits.glob("*.json")))
    with pytest.raises(InputError, match="must be an image"):
        predict(np.zeros((8, 8)))
