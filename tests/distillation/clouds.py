"""Features of a few classes, and an affine map that moves them."""

import torch


def cloud(count=60, width=4, seed=0, classes=3):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = 3 * torch.randn(classes, width, generator=draw)
    spread = torch.randn(width, width, generator=draw, dtype=torch.float64)
    noise = torch.randn(count, width, generator=draw, dtype=torch.float64) @ spread
    return centres.double()[labels] + noise, labels


def affine(width=4, seed=5):
    draw = torch.Generator().manual_seed(seed)
    matrix = torch.eye(width, dtype=torch.float64)
    matrix += 0.3 * torch.randn(width, width, generator=draw, dtype=torch.float64)
    return matrix, torch.randn(width, generator=draw, dtype=torch.float64)
