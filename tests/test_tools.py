"""The small tools next to the commands: what they print and write is what the package has."""

import hashlib
import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.documented import main_of
from vdfd_seg.cli import run_command, run_guarded


@pytest.fixture
def tool(capfd, stack):
    """Run a tool of this path below ``tools``; returns what it printed, or was refused with."""

    def run(path, *arguments, status=0):
        capfd.readouterr()
        assert run_guarded(main_of(f"tools/{path}.py"), list(map(str, arguments))) == status
        found = capfd.readouterr()
        return found.err if status else found.out

    return run


def test_print_config_shows_a_step_as_it_is_trained(tool, config_file):
    whole = tool("misc/print_config", config_file(), "--cfg-options", "seed=7")
    assert "seed = 7" in whole and "step_overrides" in whole
    later = tool("misc/print_config", "digitscenes_4-3", "--method", "mib", "--step", "1")
    assert "type='MiB'" in later and "step_overrides" not in later
    assert "steps 0 to 2" in tool("misc/print_config", config_file(), "--step", 3, status=2)


def test_browse_dataset_shows_no_class_of_another_step(tool, config_file, tmp_path):
    from vdfd_seg.engine import load_run
    from vdfd_seg.protocols.voc import default_palette
    from vdfd_seg.visualization.overlay import VOID_COLOUR

    kinds = ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs")
    pipeline = [{"type": kind} for kind in kinds]
    pipeline.insert(2, {"type": "RandomCrop", "crop_size": (48, 48)})
    file = config_file({"train_dataloader.dataset.pipeline": pipeline})
    tool("misc/browse_dataset", file, "--step", 1, "--count", 5, "--out", tmp_path)
    files = sorted(tmp_path.glob("*.png"))
    assert [file.name[:4] for file in files] == [f"00{i}_" for i in range(5)]
    protocol = load_run(file).protocol
    palette = default_palette(7)
    allowed = {tuple(palette[i]) for i in (0, *protocol.task_labels(1))} | {VOID_COLOUR}
    found = set()
    for file in files:
        labels = np.asarray(Image.open(file))[:48, 56:104]
        found |= set(map(tuple, labels.reshape(-1, 3).tolist()))
    assert found == allowed
    arguments = ("digits-task_5", "--method", "lwf", "--out", tmp_path)
    assert "segmentation" in tool("misc/browse_dataset", *arguments, status=2)


def test_get_flops_counts_the_network_of_the_step(tool, finetune_run):
    results = finetune_run.results["steps"]
    text = tool("analysis_tools/get_flops", finetune_run.file, "--step", 0)
    assert f"{results[0]['parameters'] / 1e3:.3f}K parameters" in text
    flops = []
    for height in (48, 96):
        text = tool("analysis_tools/get_flops", finetune_run.file, "--shape", height, 48)
        flops.append(float(text.rsplit(" ", 2)[1].rstrip("MK")))
    # All is convolutions, but one of a pooled map.
    assert flops[1] == pytest.approx(2 * flops[0], rel=0.01)


def test_analyze_logs_counts_iterations_over_the_steps(tool, tmp_path):
    for step, values in (("00", [4.0, 2.0]), ("01", [3.0])):
        folder = tmp_path / f"run/step_{step}/20260101_000000/vis_data"
        folder.mkdir(parents=True)
        lines = [json.dumps({"loss": v, "step": 10 * (i + 1)}) for i, v in enumerate(values)]
        (folder / "scalars.json").write_text("\n".join(lines) + "\n")
    plot = tmp_path / "curves.svg"
    text = tool("analysis_tools/analyze_logs", tmp_path / "run", "--out", plot)
    assert text.splitlines()[:2] == [
        "loss, step 0: first 4, last 2, mean 3", "loss, step 1: first 3, last 3, mean 3",
    ]  # fmt: skip
    # The last of 30 iterations.
    assert ">30<" in plot.read_text()
    refused = tool("analysis_tools/analyze_logs", tmp_path / "run", "--keys", "los", status=2)
    assert "Did you mean 'loss'?" in refused
    assert "LocalVisBackend" in tool("analysis_tools/analyze_logs", tmp_path, status=2)


def test_confusion_matrix_is_that_of_the_results(tool, finetune_run, tmp_path):
    plot = tmp_path / "confusion.svg"
    tool("analysis_tools/confusion_matrix", finetune_run.path, "--step", 1, "--out", plot)
    counts = np.array(finetune_run.results["steps"][1]["confusions"]["0"])
    shares = 100 * counts / counts.sum(1, keepdims=True)
    # Numbers below half a percent are left out.
    written = plot.read_text()
    assert all(
        (f">{share:.1f}<" in written) == (share >= 0.5)
        for share in np.unique(shares[counts.sum(1) > 0])
    )
    arguments = (finetune_run.path, "--out", plot)
    assert "[0, 1, 2]" in tool("analysis_tools/confusion_matrix", *arguments, "--step", 7, status=2)
    assert "task '4'" in tool("analysis_tools/confusion_matrix", *arguments, "--task", 4, status=2)


def test_a_published_step_predicts_and_begins_as_before(tool, vdfd_run, tmp_path, refused, train):
    from vdfd_seg import load_predictor

    checkpoint = vdfd_run.path / "step_00/checkpoint.pth"
    tool("misc/publish_model", vdfd_run.path, "--step", 0, "--out", tmp_path / "step0.pth")
    (published,) = tmp_path.iterdir()
    content = published.read_bytes()
    assert published.name == f"step0-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    assert len(content) < checkpoint.stat().st_size
    assert b"JPEGImages" in checkpoint.read_bytes() and b"JPEGImages" not in content
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    assert np.array_equal(load_predictor(published)(image), load_predictor(checkpoint)(image))
    out = tmp_path / "results.json"
    assert run_command("test", [str(vdfd_run.file), str(published), "--out", str(out)]) == 0
    assert json.loads(out.read_text())["matrix"][0] == vdfd_run.results["matrix"][0]
    begun = train("--steps", "0:1", "--init-from", published)
    (begun.path / "step_00/checkpoint.pth").write_bytes(content)
    assert "--init-from" in refused("train", begun.file, "--work-dir", begun.path, "--resume")


def test_pictures_and_augmentation_of_a_test(finetune_run, tmp_path):
    out, show = tmp_path / "tta.json", tmp_path / "shown"
    arguments = ["--step", 0, "--show-dir", show, "--tta", "--out", out]
    arguments = [finetune_run.file, finetune_run.path, *arguments]
    assert run_command("test", list(map(str, arguments))) == 0
    entry, plain = json.loads(out.read_text())["steps"][0], finetune_run.results["steps"][0]
    # The same labels are counted, and predictions are others.
    of_each, before = (np.array(step["confusions"]["0"]) for step in (entry, plain))
    assert of_each.sum(1).tolist() == before.sum(1).tolist()
    assert of_each.tolist() != before.tolist()
    pictures = sorted((show / "step_00").glob("*.png"))
    assert len(pictures) == plain["test_images"]
    with Image.open(pictures[0]) as picture:
        assert picture.width >= 48 + 8 + 48


def test_augmentation_averages_the_softmax_of_the_views(finetune_run, monkeypatch):
    """Of one scale: the mean of an image and its mirror image, computed here."""
    from vdfd_seg.datasets.segmentation.data import one_pass
    from vdfd_seg.engine import load_run
    from vdfd_seg.engine.input.data import open_data
    from vdfd_seg.engine.run import tta
    from vdfd_seg.engine.run.testing import load_learner
    from vdfd_seg.utils.checkpoint import load_step

    monkeypatch.setattr(tta, "SCALES", ())
    settings = load_run(finetune_run.file)
    data, cfg = open_data(settings), settings.for_step(0).test_dataloader
    saved = load_step(finetune_run.path / "step_00/checkpoint.pth")
    learner = load_learner(settings, 0, saved).eval()
    samples = data.test_samples(0)[:1]
    (views,) = data.test_loader(samples, tta.augmented(cfg))
    (merged,) = tta.averaging(learner).test_step(views)
    (batch,) = one_pass(data.dataset("test", samples, cfg["dataset"]["pipeline"]), cfg)
    image = learner.data_preprocessor(batch)["inputs"]
    probabilities = [
        learner.network.encode_decode(view, [{"img_shape": view.shape[-2:]}]).softmax(1)
        for view in (image, image.flip(-1))
    ]
    expected = (probabilities[0] + probabilities[1].flip(-1)).argmax(1)[0]
    assert torch.equal(merged.pred_sem_seg.data[0], expected)
    assert (merged.gt_sem_seg.data == batch["data_samples"][0].gt_sem_seg.data).all()


@pytest.mark.parametrize("option", ["--tta", "--show-dir=shown"])
def test_both_are_for_segmentation(refused, tmp_path, option):
    (tmp_path / "checkpoint.pth").touch()
    arguments = ("lwf_digits-task_5", tmp_path / "checkpoint.pth", option)
    assert "is for segmentation" in refused("test", *arguments)
