"""Networks whose heads are of other kinds, from training to what is exported."""

import pytest
import torch
from mmseg.apis import inference_model, init_model

from tests.narrow_networks import narrow_network
from vdfd_seg.export import export_mmseg, export_onnx

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["ocrnet_r50-d8", "segmenter_vit-b16_mask", "stdc"])
def test_a_run_is_exported(train, scenes, tmp_path, name):
    model = narrow_network(name)
    model["data_preprocessor"].update(size=(48, 48))
    if name == "segmenter_vit-b16_mask":
        model["backbone"]["num_layers"] = 2
    if name == "stdc":
        # The unbiased cross-entropy takes no sampler.
        for head in (model["decode_head"], *model["auxiliary_head"]):
            head.pop("sampler", None)
    config = {"model": model, "method": {"type": "MiB"}, "train_cfg": {"max_iters": 2},
              "step_overrides": {}}  # fmt: skip
    run = train("--steps", "0:2", config=config)
    checkpoint = run.path / "step_01/checkpoint.pth"
    assert export_onnx(checkpoint, tmp_path / "step.onnx", size=(48, 48)).labels > 0.99
    weights, written = map(str, export_mmseg(checkpoint, tmp_path / "step.pth"))
    network = init_model(written, weights, device="cpu")
    image = str(next((scenes / "JPEGImages").iterdir()))
    classes = len(torch.load(weights, weights_only=True)["meta"]["dataset_meta"]["classes"])
    assert inference_model(network, image).seg_logits.data.shape[0] == classes
