"""A step's network as an ONNX file that carries its own description."""

import contextlib
import io
import json
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.model import revert_sync_batchnorm
from mmseg.models import EncoderDecoder
from mmseg.models.utils import resize
from torch import Tensor, nn
from torch.onnx.errors import OnnxExporterError

from vdfd_seg.errors import InputError
from vdfd_seg.inference.loading import head_sizes, load_predictor, predicts_otherwise
from vdfd_seg.inference.masks import image_transforms, palette_of
from vdfd_seg.models import ContinualClassifier, ContinualLearner
from vdfd_seg.utils.checkpoint import load_step
from vdfd_seg.utils.installation import optional_module
from vdfd_seg.version import __version__

TOLERANCE = 1e-4
"""How far scores may differ from PyTorch's, relative to the greatest of them (or to 1)."""

_EXAMPLE = (96, 128)


@dataclass(frozen=True)
class OnnxCheck:
    """How an exported file compares with PyTorch, on noise of several sizes and batches.

    Attributes:
        difference: Greatest difference of a score, relative to the greatest score (or to 1).
        labels: Share of pixels (classification: images) with the same class.
        resizes: Whether evaluation resizes images, which the file does not.
    """

    difference: float
    labels: float
    resizes: bool


class Segments(nn.Module):
    """Logits and labels at the size of the input from RGB images of 0..255."""

    outputs = ("logits", "labels")

    def __init__(self, network: EncoderDecoder):
        super().__init__()
        self.network = network
        preprocessor = network.data_preprocessor
        if getattr(preprocessor, "test_cfg", None):
            raise InputError(
                "this network's data_preprocessor pads images in evaluation (test_cfg), which the "
                "export to ONNX does not do."
            )
        # What networks of BGR images are given: the pipelines load BGR, a conversion swaps.
        self.swap = not preprocessor._channel_conversion
        self.normalise = preprocessor._enable_normalize

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, C, H, W)`` logits and ``(N, H, W)`` int64 labels of ``(N, 3, H, W)`` images."""
        network, inputs = self.network, images.flip(1) if self.swap else images
        if self.normalise:
            preprocessor = network.data_preprocessor
            inputs = (inputs - preprocessor.mean) / preprocessor.std
        logits = network(inputs, mode="tensor")
        logits = resize(
            logits, images.shape[2:], None, "bilinear", network.align_corners, warning=False
        )
        return logits, logits.argmax(1)


class Classifies(nn.Module):
    """Scores and labels of classes from RGB images of 0..255."""

    outputs = ("scores", "labels")

    def __init__(self, learner: ContinualLearner):
        super().__init__()
        assert isinstance(learner.network, ContinualClassifier)
        self.network, self.method = learner.network, learner.method
        self._adapter = [learner.adapter]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, C)`` scores and ``(N,)`` int64 labels of ``(N, 3, H, W)`` images."""
        preprocessor = self.network.data_preprocessor
        inputs = preprocessor.shift + images * preprocessor.scale
        scores = self.method.predict(self._adapter[0], inputs, None)
        return scores, scores.argmax(1)


def export_onnx(
    checkpoint: str | Path, out: str | Path, size: tuple[int, int] | None = None
) -> OnnxCheck:
    """Write a step's network as ONNX, and compare it with PyTorch through onnxruntime.

    Input ``images``: ``(N, 3, H, W)`` float32 **RGB of 0 to 255**; they are normalised inside.
    Outputs of a segmentor: ``logits`` ``(N, C, H, W)`` float32 and ``labels`` ``(N, H, W)``
    int64, at the input's size; of a classifier: ``scores`` ``(N, C)`` and ``labels`` ``(N,)``.
    Resizing images as in evaluation is the caller's, and so is sliding where the model's
    ``test_cfg`` does. The metadata describe all that: ``classes``, ``palette``,
    ``test_pipeline``, ``test_cfg``, ``head_sizes`` and more, each as JSON.

    Args:
        checkpoint: A step's checkpoint.
        out: The file, ending in ``.onnx``. Written only if it equals PyTorch.
        size: (H, W) of images; None for any, which networks that pool to fixed grids cannot; of a
            classifier for that of its training images, where the checkpoint says it.

    Returns:
        How it compares.

    Raises:
        InputError: For a checkpoint, network or segmentation method that cannot be exported so,
            packages that are missing, or a file that does not equal PyTorch within
            :data:`TOLERANCE`.
    """
    out = Path(out)
    if out.suffix != ".onnx":
        raise InputError(f"--out '{out}' must end in .onnx.")
    runtime = optional_module("onnxruntime", "onnx")
    for name in ("onnx", "onnxscript"):
        optional_module(name, "onnx")
    saved, predict = load_step(checkpoint), load_predictor(checkpoint)
    learner = predict.learner.cpu()
    learner.network = revert_sync_batchnorm(learner.network)
    learner.network.to(memory_format=torch.contiguous_format)
    module: Classifies | Segments
    if predict.problem == "classification":
        size = size or predict.image_size
        module = Classifies(learner).eval()
    elif predicts_otherwise(saved):
        raise InputError(
            f"method {saved['method']['type']} predicts otherwise than its network alone, which is "
            f"all that ONNX would get from '{checkpoint}'."
        )
    else:
        module = Segments(learner.network).eval()
    hint = "" if size else "; with images of one size it may be possible: --size H W"
    program = _program(module, size, hint)
    program.model.metadata_props.update(_description(saved))
    partial = out.with_name(f".{out.stem}.{os.getpid()}.onnx")
    try:
        program.save(partial, external_data=False)
        difference, labels = _compare(module, runtime, partial, size, hint)
        if not difference <= TOLERANCE:
            raise InputError(
                f"the ONNX file of '{checkpoint}' differs from PyTorch by {difference:.1e} "
                f"of the greatest score, more than {TOLERANCE:.0e}; it was not kept."
            )
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    resizes = any(step.get("scale") for step in saved["meta"]["test_pipeline"])
    return OnnxCheck(difference, labels, resizes)


def _program(module, size, hint):
    height, width = size or _EXAMPLE
    free = torch.export.Dim.DYNAMIC
    shape = {0: free} if size else {0: free, 2: free, 3: free}
    images = _noise(2, height, width)
    # A defect of the network shows here, with its own traceback.
    with torch.no_grad():
        module(images)
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                module,
                (images,),
                dynamo=True,
                dynamic_shapes=(shape,),
                input_names=["images"],
                output_names=list(module.outputs),
                verbose=False,
            )
    except OnnxExporterError as error:
        reason = _first_line(error)
        raise InputError(f"torch cannot export this network to ONNX ({reason}){hint}.") from error
    finally:
        log.setLevel(level)


def _description(saved):
    meta = saved["meta"]
    described = {
        "classes": meta["dataset_meta"]["classes"],
        "palette": palette_of(meta),
        "head_sizes": head_sizes(saved),
        "input": "float32 (N, 3, H, W), RGB, 0 to 255",
        "image_size": meta.get("image_size"),
        "test_pipeline": image_transforms(meta) if meta["test_pipeline"] else [],
        "test_cfg": meta["model"].get("test_cfg") or {},
        **{key: meta[key] for key in ("step", "protocol", "scenario", "fingerprint")},
        "vdfd_seg": __version__,
    }
    return {key: json.dumps(value) for key, value in described.items()}


@torch.no_grad()
def _compare(module, runtime, path, size, hint):
    shapes = [(1, *size), (3, *size)] if size else [(1, 97, 75), (3, 64, 112), (2, *_EXAMPLE)]
    worst, same = 0.0, []
    for shape in shapes:
        images = _noise(*shape)
        scores, labels = (output.numpy() for output in module(images))
        try:
            session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            found, classes = session.run(list(module.outputs), {"images": images.numpy()})
        except Exception as error:  # onnxruntime has a dozen kinds, below no class of its own.
            raise InputError(
                f"onnxruntime cannot run the exported network ({_first_line(error)}){hint}."
            ) from error
        if found.shape != scores.shape:
            raise InputError(
                f"the exported network gives {found.shape} in place of {scores.shape}{hint}."
            )
        scale = max(1.0, float(np.abs(scores).max()))
        # A NaN must not pass: the greatest of anything and NaN is NaN.
        worst = float(np.maximum(worst, np.abs(found - scores).max() / scale))
        same.append((classes == labels).ravel())
    return worst, float(np.concatenate(same).mean())


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _noise(count, height, width):
    generator = torch.Generator().manual_seed(count)
    return 255 * torch.rand(count, 3, height, width, generator=generator)
