"""Load every encoder of the catalogue from a file in its published layout, at its full size.

    .venv/bin/python tests/bench/checkpoints.py [--folder F] [name ...]

Weights are random, written one model at a time, loaded strictly, tried on one tile, and removed.
The largest file has 4.5 GB, and its process takes about as much memory. Times depend on what else
runs.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from helpers.published_layouts import PUBLISHED, random_tensors
from histohet.encoders.catalogue import read_catalogue
from histohet.encoders.make import make_encoder
from histohet.encoders.settings import HubFile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of {', '.join(PUBLISHED)}")
    parser.add_argument("--folder", type=Path, help="where files are written; default: temporary")
    arguments = parser.parse_args()
    if len(arguments.names) == 1:
        check(arguments.names[0], arguments.folder)
        return
    say(f"{'encoder':18}{'file, GB':>10}{'load, s':>10}{'tile, s':>10}{'memory, GB':>12}")
    for name in arguments.names or PUBLISHED:
        folder = ["--folder", str(arguments.folder)] if arguments.folder else []
        # A process each, so that the memory of one does not count for the next.
        subprocess.run([sys.executable, __file__, name, *folder], check=True)


def check(name: str, folder: Path | None) -> None:
    """Write, load and use one encoder, and print a row."""
    entry = read_catalogue()[name]
    file = entry.weights.file if isinstance(entry.weights, HubFile) else "weights.pth"
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        path = Path(temporary) / file
        tensors = random_tensors(PUBLISHED[name], seed=0)
        if path.suffix == ".safetensors":
            safetensors.torch.save_file(tensors, path)
        else:
            torch.save({"model": tensors} if path.suffix == ".pth" else tensors, path)
        del tensors
        size = path.stat().st_size
        start = time.perf_counter()
        encoder = make_encoder(entry, entry.input_px or 224, path)
        loaded = time.perf_counter()
        side = entry.input_px or 224
        tile = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
        embedding = encoder.encode(tile)
        encoded = time.perf_counter()
    assert embedding.shape == (1, entry.width)
    assert np.isfinite(embedding).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    say(f"{name:18}{size / 1e9:10.2f}{loaded - start:10.1f}{encoded - loaded:10.2f}{peak:12.1f}")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
