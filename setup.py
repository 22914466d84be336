"""Packaging of vdfd_seg. Pinned versions are in requirements/pinned.txt."""

import os
import runpy
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent

# Folders of the repository that are installed inside the package, under the name that
# OpenMMLab's packages have for this. `vdfd_seg.utils.paths.configs_dir` finds the configs there.
BUNDLED = ("configs", "tools")
BUNDLE = Path("vdfd_seg", ".mim")

# The export to ONNX: its format, torch's exporter, and what compares the result with PyTorch.
ONNX = ["onnx>=1.17,<2", "onnxscript>=0.5,<1", "onnxruntime>=1.20,<2"]


class BuildWithBundle(build_py):
    """Copy configs/ and tools/ into the built package.

    An editable install needs no copy, it sees the repository's own folders.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / BUNDLE
        # build/ outlives a build: a config that was deleted since must not ship.
        shutil.rmtree(target, ignore_errors=True)
        for path in self._bundled_files():
            self.mkpath(str((target / path).parent))
            self.copy_file(str(ROOT / path), str(target / path))

    def get_outputs(self, include_bytecode=True):
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        target = Path(self.build_lib) / BUNDLE
        return outputs + [str(target / path) for path in self._bundled_files()]

    def _bundled_files(self):
        for folder in BUNDLED:
            for path in sorted((ROOT / folder).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield path.relative_to(ROOT)


os.chdir(ROOT)  # packages and data files are looked up in the working directory

setup(
    name="vdfd_seg",
    version=runpy.run_path(str(ROOT / "vdfd_seg" / "version.py"))["__version__"],
    description=(
        "Continual learning for semantic segmentation and classification: "
        "variational data-free knowledge distillation (VDFD) on MMSegmentation"
    ),
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    keywords=[
        "continual learning",
        "semantic segmentation",
        "knowledge distillation",
        "catastrophic forgetting",
        "mmsegmentation",
    ],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["vdfd_seg", "vdfd_seg.*"]),
    package_data={
        "vdfd_seg": [
            "visualization/templates/*",
            *(f"**/*.{kind}" for kind in ("css", "html", "j2", "js", "json", "svg", "txt", "yml")),
        ]
    },
    install_requires=[
        "torch>=2.4,<3",
        "torch-geometric>=2.5,<3",
        "opencv-python>=4.10,<6",
        # The maintained forks of mmengine, mmcv and mmsegmentation, with the same
        # import names. Never next to the originals: see vdfd_seg/utils/installation.py.
        "onedl-mmengine>=0.10.10,<0.11",
        "onedl-mmcv>=2.3,<2.4",
        "onedl-mmsegmentation>=1.4,<1.5",
        "numpy>=2,<3",
        "scipy>=1.13,<2",
        "scikit-learn>=1.5,<2",
        "matplotlib>=3.9,<4",
        "pillow>=10.3",
        "pyyaml>=6.0",
        "jinja2>=3.1,<4",
        "rich>=13",
        "tqdm>=4.60",
        "filelock>=3.12",
    ],
    extras_require={
        "onnx": ONNX,
        "tensorboard": ["tensorboard>=2.15,<3"],
        "test": [
            "hypothesis>=6.100",
            "mypy>=2,<3",
            "pytest>=8",
            "pytest-xdist>=3.5,<4",
            "ruff>=0.17,<0.18",
            *ONNX,
        ],
        "coverage": ["pytest-cov>=7,<8", "coverage>=7.10.6,<8"],
    },
    cmdclass={"build_py": BuildWithBundle},
    entry_points={"console_scripts": ["vdfd_seg = vdfd_seg.cli:main"]},
    zip_safe=False,
)
