"""Predicting with the checkpoint of any step: masks, classes, pictures, what changed."""

from vdfd_seg.inference.classes import ClassPrediction, ClassPredictor
from vdfd_seg.inference.differences import Differences
from vdfd_seg.inference.loading import load_predictor
from vdfd_seg.inference.masks import Predictor

__all__ = [
    "ClassPrediction",
    "ClassPredictor",
    "Differences",
    "Predictor",
    "load_predictor",
]
