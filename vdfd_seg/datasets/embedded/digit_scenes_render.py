"""Composing one scene of DigitScenes: digits over a crop of a photograph."""

import colorsys
from functools import cache

import numpy as np
from PIL import Image
from scipy import ndimage

SPLITS = ("train", "val")
VOID = 255
DIGIT_CLASSES = 10

_VAL_EVERY = 4
# Strips that each show some of the main subject and some of what surrounds it,
# so that validation is no harder than the digits make it.
_PHOTO_STRIPS = (
    {"train": ((0.0, 0.31), (0.55, 1.0)), "val": ((0.33, 0.53),)},
    {"train": ((0.0, 0.50), (0.78, 1.0)), "val": ((0.52, 0.76),)},
)
_DIGIT_COUNT_SHARES = (0.25, 0.45, 0.3)
_SAME_CLASS_SHARE = 0.15
_HEIGHTS = (0.42, 0.60)
_CROWDED_HEIGHTS = (0.36, 0.48)
_MAX_ANGLE = 15.0
_INK_LEVEL = 0.32
_MAX_OVERLAP = 0.05
_PLACEMENTS = 40
_MIN_CONTRAST = 0.35
_COLOUR_DRAWS = 60
_HUE_DEVIATION = 0.035
_LUMINANCE = np.array([0.299, 0.587, 0.114])


def render_scene(
    split: str, number: int, size: tuple[int, int], seed: int
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The scene ``number`` of a split, a function of the arguments alone.

    Args:
        split: ``"train"`` or ``"val"``; they share neither digits nor parts of photographs.
        number: The scene's, from 0.
        size: Height and width in pixels.
        seed: Of the whole data set, not negative.

    Returns:
        The image ``(height, width, 3)`` uint8, RGB; the mask ``(height, width)`` uint8: 0
        background, 1 to 10 the digits zero to nine, 255 void (the one pixel wide border around
        each); and which of ``sklearn.datasets.load_digits()`` are shown.
    """
    rng = np.random.Generator(np.random.PCG64([seed, SPLITS.index(split), number]))
    canvas = _background(split, size, rng)
    mask = np.zeros(size, dtype=np.uint8)
    samples = []
    classes = _classes(number, rng)
    heights = _CROWDED_HEIGHTS if len(classes) > 2 else _HEIGHTS
    for digit in classes:
        sample = int(rng.choice(digit_pool(split, digit)))
        coverage = _place(sample, mask, heights, rng)
        if coverage is None:
            continue
        ink = coverage > 0.5
        colour = _contrasting_colour(canvas[ink], digit, rng)
        canvas += coverage[..., None] * (colour - canvas)
        mask[ndimage.binary_dilation(ink, np.ones((3, 3)))] = VOID
        mask[ink] = digit + 1
        samples.append(sample)
    image = np.rint(canvas * 255).clip(0, 255).astype(np.uint8)
    return image, mask, samples


def digit_pool(split: str, digit: int) -> np.ndarray:
    """Indices of the scanned digits of a class that a split may use."""
    indices = np.flatnonzero(_digits()[1] == digit)
    in_val = np.arange(len(indices)) % _VAL_EVERY == _VAL_EVERY - 1
    return indices[in_val if split == "val" else ~in_val]


def photo_strips(split: str, photo: int, width: int) -> list[tuple[int, int]]:
    """First and end columns of the parts that a split uses of a photograph of this width."""
    strips = _PHOTO_STRIPS[photo][split]
    return [(round(start * width), round(end * width)) for start, end in strips]


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    # Imported here: it takes about as long as torch, and only a writer needs it.
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images / 16.0, digits.target


@cache
def _photos() -> tuple[np.ndarray, ...]:
    from sklearn.datasets import load_sample_images

    return tuple(load_sample_images().images)


def _classes(number: int, rng: np.random.Generator) -> list[int]:
    """One digit by turns, so that any ten scenes hold all classes, and others at random."""
    count = 1 + rng.choice(len(_DIGIT_COUNT_SHARES), p=_DIGIT_COUNT_SHARES)
    first = number % DIGIT_CLASSES
    others = [digit for digit in rng.permutation(DIGIT_CLASSES).tolist() if digit != first]
    classes = [first, *others[: count - 1]]
    if count > 1 and rng.random() < _SAME_CLASS_SHARE:
        classes[-1] = first
    return classes


def _background(split: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A crop of random place, scale, flip, contrast and brightness; RGB from 0 to 1."""
    photos = _photos()
    number = int(rng.integers(len(photos)))
    start, end = rng.choice(photo_strips(split, number, photos[number].shape[1]))
    region = photos[number][:, start:end]
    height, width = size
    largest = min(region.shape[0] / height, region.shape[1] / width)
    scale = rng.uniform(0.4, 1.0) * largest
    crop_height, crop_width = round(scale * height), round(scale * width)
    top = rng.integers(region.shape[0] - crop_height + 1)
    left = rng.integers(region.shape[1] - crop_width + 1)
    crop = region[top : top + crop_height, left : left + crop_width]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    resized = Image.fromarray(np.ascontiguousarray(crop)).resize(
        (width, height), Image.Resampling.LANCZOS
    )
    canvas = np.asarray(resized, dtype=np.float64) / 255
    canvas = (canvas - 0.5) * rng.uniform(0.6, 1.0) + 0.5 + rng.uniform(-0.15, 0.15)
    return canvas.clip(0, 1)


def _place(
    sample: int, mask: np.ndarray, heights: tuple[float, float], rng: np.random.Generator
) -> np.ndarray | None:
    """Coverage (0 to 1 per pixel) of a digit that leaves what is there nearly uncovered."""
    for _ in range(_PLACEMENTS):
        height = rng.uniform(*heights) * min(mask.shape)
        angle = np.deg2rad(rng.uniform(-_MAX_ANGLE, _MAX_ANGLE))
        margin = 0.5 * height
        centre = [rng.uniform(margin, side - margin) for side in mask.shape]
        coverage = _coverage(sample, mask.shape, height, angle, centre)
        ink = coverage > 0.5
        area = np.count_nonzero(ink)
        if area and np.count_nonzero(mask[ink]) <= _MAX_OVERLAP * area:
            return coverage
    return None


def _coverage(
    sample: int, size: tuple[int, int], height: float, angle: float, centre: list[float]
) -> np.ndarray:
    spline, rows = _spline(sample)
    scale = rows / height
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = scale * np.array([[cos, -sin], [sin, cos]])
    offset = (np.array(spline.shape) - 1) / 2 - matrix @ np.array(centre)
    # scipy's double-precision splines rather than OpenCV's: masks, which
    # fingerprints of protocols depend on, come out the same on every machine.
    ink = ndimage.affine_transform(
        spline, matrix, offset, output_shape=size, order=3, prefilter=False
    )
    slope = np.hypot(*np.gradient(ink)).clip(1e-3)
    return ((ink - _INK_LEVEL) / slope + 0.5).clip(0, 1)


@cache
def _spline(sample: int) -> tuple[np.ndarray, int]:
    """Coefficients of the spline through a scan with a margin, and how many rows have ink."""
    scan = np.pad(_digits()[0][sample], 2)
    inked_rows = np.flatnonzero(scan.max(axis=1) > _INK_LEVEL)
    return ndimage.spline_filter(scan, order=3, mode="constant"), np.ptp(inked_rows) + 1


def _contrasting_colour(under: np.ndarray, digit: int, rng: np.random.Generator) -> np.ndarray:
    """A random RGB colour whose luminance differs from that of the pixels it covers.

    Its hue is a cue to the class, as colour is in photographs, and an uncertain one:
    hues of neighbouring digits overlap, and dark colours hardly show theirs.
    """
    luminance = float((under @ _LUMINANCE).mean())
    best: np.ndarray = np.zeros(3)
    best_contrast = -1.0
    for _ in range(_COLOUR_DRAWS):
        hue = (digit / DIGIT_CLASSES + rng.normal(0.0, _HUE_DEVIATION)) % 1.0
        colour = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.5, 1.0), rng.uniform(0.1, 1.0)))
        contrast = abs(float(colour @ _LUMINANCE) - luminance)
        if contrast > best_contrast:
            best, best_contrast = colour, contrast
        if contrast >= _MIN_CONTRAST:
            break
    return best
