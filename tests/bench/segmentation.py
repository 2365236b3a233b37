"""Memory and time of segmenting one CT, by its size, the labels of the model, and its network.

    .venv/bin/python tests/bench/segmentation.py [--voxels X Y Z] [--spacing X Y Z]
        [--target X Y Z] [--patch X Y Z] [--features N ...] [--labels N] [--output FILE]

The CT is a phantom, the weights are random: what is measured depends on neither. `--target` is the
voxel, mm, that the model was trained on; `--features` are the channels of its stages, by default
those of a small network. One job, this process; import and model included.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.running import circumstances, say
from helpers.nnunet import dataset, network, plans, write_model
from histohet.common.files import write_json
from histohet.ct.reading import Geometry, Volume
from histohet.segmentation.mask import segment_scan
from histohet.segmentation.model import read_model


def phantom(size: tuple[int, ...], spacing: tuple[float, ...]) -> Volume:
    """Return tissue in air with noise; (Z, Y, X) int16."""
    rng = np.random.default_rng(0)
    voxels = np.full(size[::-1], -1000, np.int16)
    inner = tuple(slice(n // 10, -(n // 10)) for n in size[::-1])
    voxels[inner] = rng.normal(40, 12, voxels[inner].shape).astype(np.int16)
    geometry = Geometry(size, spacing, (0.0, 0.0, 0.0), np.eye(3))
    return Volume(voxels, geometry, geometry)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Segment one phantom and say what it took."""
    labels = {"background": 0} | {f"label_{n}": n for n in range(1, options.labels + 1)}
    description = plans(
        options.patch[::-1],
        options.target[::-1],
        architecture=network(options.features),
    )
    model = read_model(write_model(folder, description, dataset(labels)))
    ct = phantom(tuple(options.voxels), tuple(options.spacing))
    begun, start = time.process_time(), time.monotonic()
    from histohet.segmentation.predictor import Predictor

    segment_scan(ct, Predictor(model), "LPS")
    return {
        "million_voxels": ct.voxels.size / 1e6,
        "wall_s": time.monotonic() - start,
        "cpu_s": time.process_time() - begun,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def main() -> None:
    """Read the options, measure, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    three = {"nargs": 3, "metavar": ("X", "Y", "Z")}
    parser.add_argument("--voxels", type=int, default=[512, 512, 100], **three)
    parser.add_argument("--spacing", type=float, default=[0.8, 0.8, 3.0], **three)
    parser.add_argument("--target", type=float, default=[0.8, 0.8, 3.0], **three)
    parser.add_argument("--patch", type=int, default=[128, 128, 32], **three)
    parser.add_argument("--features", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--labels", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, Path(folder))
    say(json.dumps(found))
    if options.output:
        write_json(options.output, {**circumstances(options), **found})


if __name__ == "__main__":
    main()
