"""Measure the encoding rule: against bare forward passes, against a plain loop, and its memory.

    .venv/bin/python tests/bench/encoding.py [--tiles 1024] [--rounds 3] ...

Whole rule: open the slide, read, decode and mask its tiles, infer, write the feature file; the
model stands ready. Bare rate: forward passes of the same model on normalised tensors that are
already in memory, in batches of the same size, with one thread for every core. Plain loop:
OpenSlide in a ``Dataset``, tile by tile, behind a ``DataLoader`` without workers and with one per
core, of which the faster counts. They take turns in one process, and medians over the rounds are
compared.

Cores that others use too make wall time worthless; the share is therefore also given in CPU time,
user and system, of the process and its workers. The models have random weights; ViT-S/16 runs
everywhere, UNI and UNI2-h in their own precision where there is a GPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyvips

from histohet.common.files import write_json
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.encoders.pixels import MaskSource, TileSource
from histohet.epithelium.base import MaskRules
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.render import render_phantom
from histohet.phantoms.settings import PhantomSettings
from histohet.slides.frame import Frame
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.settings import TileSpec

CORES = len(os.sched_getaffinity(0))
MPP, TILE_PX, JPEG_TILE_PX = 0.5, 224, 256
MODELS: dict[str, dict[str, Any]] = {
    "vit_small": {
        "name": "vit_small",
        "kind": "timm",
        "model": "vit_small_patch16_224",
        "width": 384,
        "normalisation": "imagenet",
    },
    "uni": {"name": "uni"},
    "uni2h": {"name": "uni2h"},
}
Json = dict[str, Any]


def make_slide(folder: Path, n_tiles: int) -> tuple[TileSource, TileTable]:
    """Write a masked JPEG pyramid of phantom tissue, large enough for `n_tiles` in a square."""
    settings = PhantomSettings(n_slides=1, epithelial_tiles=100, seed=1, share_40x=0.0)
    (plan,) = plan_cohort(settings)
    phantom = render_phantom(plan)
    middle = tuple(slice(size // 4, size // 4 + 1792) for size in phantom.image.shape[:2])
    side = int(np.ceil(np.sqrt(n_tiles)))
    repeats = -(-side * TILE_PX // 1792)
    picture = pyvips.Image.new_from_array(np.ascontiguousarray(phantom.image[middle]))
    picture = picture.replicate(repeats, repeats).copy()
    picture.set_type(pyvips.GValue.gstr_type, "image-description", f"Aperio Bench|MPP = {MPP}")
    slide, mask = folder / "slide.svs", folder / "mask.tif"
    jpeg = {"compression": "jpeg", "Q": plan.scanner.jpeg_quality}
    tiled = {"tile": True, "tile_width": JPEG_TILE_PX, "tile_height": JPEG_TILE_PX}
    picture.tiffsave(str(slide), pyramid=True, subifd=False, **tiled, **jpeg)
    size = picture.width, picture.height
    labels = np.full((size[1] // 2, size[0] // 2), 12, np.uint8)
    labels[:, ::16] = 0
    pyvips.Image.new_from_array(labels).tiffsave(str(mask), **tiled, compression="deflate")
    spec = TileSpec()
    corners = np.stack(np.divmod(np.arange(n_tiles), side)[::-1], axis=1) * TILE_PX
    tiles = TileTable(corners, tile_attributes("bench", spec, MPP, size, ""), OK)
    masked = MaskSource(str(mask), MaskRules((12,)), Frame(0, 0, *size))
    return TileSource(str(slide), float(TILE_PX), TILE_PX, mask=masked), tiles


def resident() -> int:
    """Bytes of this process and its workers, memory they share counted once."""
    own = psutil.Process()
    total = 0
    for process in [own, *own.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def cpu_s() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), cpu_s()
    work()
    return time.perf_counter() - wall, cpu_s() - cpu


def take_turns(
    works: dict[str, Callable[[], None]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of each work in each round."""
    runs: dict[str, list[tuple[float, float]]] = {work: [] for work in works}
    for _ in range(rounds):
        for work, function in works.items():
            runs[work].append(timed(function))
    return runs


def forward_of(model: Any, precision: str, cuda: bool) -> Callable[[Any], Any]:
    """Return the bare forward pass: normalised tensors on the device to features on the host."""
    import torch

    cast = cuda and precision != "float32"

    def forward(batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cuda", getattr(torch, precision), cast):
            found: torch.Tensor = model(batch).float().cpu()
        return found

    return forward


def measure_speed(name: str, source: TileSource, tiles: TileTable, rounds: int) -> Json:
    """Let bare forward passes, the whole rule and plain loops take turns."""
    import torch
    from safetensors.torch import save_file

    from histohet.encoders.catalogue import entry_of, read_catalogue
    from histohet.encoders.encode import EncodingOptions, batch_size_here, encode_slide
    from histohet.encoders.make import make_encoder
    from histohet.encoders.networks import create_architecture
    from histohet.encoders.settings import EncoderSettings

    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "random.safetensors"
        torch.manual_seed(0)
        config = MODELS[name] | {"checkpoint": str(checkpoint)}
        entry = entry_of(EncoderSettings(**config), read_catalogue())
        model = create_architecture(entry).eval()
        save_file(model.state_dict(), checkpoint)
        encoder = make_encoder(entry, TILE_PX, checkpoint)
        forward = forward_of(model.to(device), entry.precision, cuda)
        size, index = batch_size_here(256), np.arange(len(tiles.coords))
        workers = CORES if CORES > 1 else 0
        inputs = torch.randn(size, 3, TILE_PX, TILE_PX, device=device)

        def bare() -> None:
            for first in range(0, len(index), size):
                forward(inputs[: len(index) - first])

        def rule() -> None:
            path = Path(folder) / "features.h5"
            options = EncodingOptions(size, workers)
            encode_slide(path, tiles, index, source, encoder, Provenance(), {}, options)

        def plain(workers: int) -> None:
            loader = plain_loader(source, tiles, 64, workers, pin=cuda)
            np.concatenate([forward(batch.to(device)).numpy() for batch in loader])

        works = {
            "bare": bare,
            "rule": rule,
            "loop": partial(plain, 0),
            "loop_workers": partial(plain, CORES),
        }
        forward(inputs)
        runs = take_turns(works, rounds)
        if cuda:
            torch.cuda.reset_peak_memory_stats()
            rule()
        peak = torch.cuda.max_memory_allocated() if cuda else 0
    wall = {work: statistics.median(w for w, _ in found) for work, found in runs.items()}
    cpu = {work: statistics.median(c for _, c in found) for work, found in runs.items()}
    return {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "precision": entry.precision if cuda else "float32",
        "batch_size": size,
        "model_threads": torch.get_num_threads(),
        "workers": workers,
        "tiles": len(index),
        "rounds": rounds,
        "tiles_per_s": {work: len(index) / seconds for work, seconds in wall.items()},
        "cpu_ms_per_tile": {work: 1e3 * seconds / len(index) for work, seconds in cpu.items()},
        "runs_wall_s": {work: [w for w, _ in found] for work, found in runs.items()},
        "pipeline_share_of_bare_rate": wall["bare"] / wall["rule"],
        "pipeline_share_in_cpu_time": cpu["bare"] / cpu["rule"],
        "speedup_over_plain_loop": min(wall["loop"], wall["loop_workers"]) / wall["rule"],
        "peak_gpu_gb": peak / 1e9,
    }


def plain_loader(source: TileSource, tiles: TileTable, size: int, workers: int, pin: bool) -> Any:
    """Return the loop that users write: one tile after the other, straight from OpenSlide."""
    import openslide
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    mean, deviation = (
        torch.tensor(values).view(3, 1, 1)
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )

    class Tiles(Dataset):  # type: ignore[type-arg]
        def __init__(self) -> None:
            self.slide: Any = None

        def __len__(self) -> int:
            return len(tiles.coords)

        def __getitem__(self, row: int) -> torch.Tensor:
            if self.slide is None:
                self.slide = openslide.OpenSlide(source.slide)
                mask = Image.open(source.mask.path)
                self.mask = np.repeat(np.repeat(np.array(mask), 2, axis=0), 2, axis=1)
            x, y = tiles.coords[row].tolist()
            image = np.array(self.slide.read_region((x, y), 0, (TILE_PX, TILE_PX)).convert("RGB"))
            image = image * (self.mask[y : y + TILE_PX, x : x + TILE_PX, None] == 12)
            pixels = torch.from_numpy(image.astype(np.uint8)).permute(2, 0, 1).float() / 255
            return (pixels - mean) / deviation

    return DataLoader(Tiles(), batch_size=size, num_workers=workers, pin_memory=pin)


class MeanColour:
    """An encoder that takes no time and no memory."""

    name = "mean_colour"
    width = 3

    def encode(self, tiles: np.ndarray) -> np.ndarray:
        return tiles[:, ::16, ::16].mean(axis=(1, 2), dtype=np.float32)


def measure_memory(n_tiles: int, tile_px: int) -> Json:
    """Encode `n_tiles` with an encoder that takes nothing, watching the memory of all processes."""
    from histohet.encoders.encode import EncodingOptions, encode_slide

    with tempfile.TemporaryDirectory() as folder:
        source, tiles = make_slide(Path(folder), 4096)
        side = int(np.ceil(np.sqrt(n_tiles)))
        places = np.linspace(0, 64 * TILE_PX - tile_px, side).astype(np.int64)
        coords = np.stack(np.meshgrid(places, places), axis=2).reshape(-1, 2)[:n_tiles]
        source = TileSource(source.slide, float(tile_px), tile_px, mask=source.mask)
        tiles = TileTable(coords, tiles.attributes, OK)
        samples: list[int] = []
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.5):
                samples.append(resident())

        watcher = threading.Thread(target=watch)
        watcher.start()
        path, index = Path(folder) / "f.h5", np.arange(n_tiles)
        started = time.perf_counter()
        options = EncodingOptions(256, workers=2)
        encode_slide(path, tiles, index, source, MeanColour(), Provenance(), {}, options)
        wall = time.perf_counter() - started
        done.set()
        watcher.join()
    parts = np.array_split(np.array(samples) / 1e6, 4)
    return {
        "tiles": n_tiles,
        "tile_px": tile_px,
        "workers": 2,
        "wall_s": wall,
        "peak_mb": max(samples) / 1e6,
        "median_mb_by_quarter": [float(np.median(part)) for part in parts if len(part)],
    }


def in_process(*arguments: str) -> Json:
    """Run one measurement in a process of its own."""
    import json

    command = [sys.executable, __file__, "--one", *arguments]
    # The model has every core, bare or not.
    environment = os.environ | {"OMP_NUM_THREADS": str(CORES)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: Json = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench/encoding.json"))
    parser.add_argument("--tiles", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", choices=list(MODELS))
    parser.add_argument("--memory-tiles", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--memory-tile-px", type=int, default=TILE_PX)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        import json

        kind, *rest = args.one
        if kind == "memory":
            found = measure_memory(*map(int, rest))
        else:
            with tempfile.TemporaryDirectory() as folder:
                source, tiles = make_slide(Path(folder), int(rest[0]))
                found = measure_speed(kind, source, tiles, int(rest[1]))
        sys.stdout.write(json.dumps(found) + "\n")
        return
    import torch

    models = args.models or (list(MODELS) if torch.cuda.is_available() else ["vit_small"])
    result: Json = {"machine": f"{platform.machine()}, {CORES} cores", "models": {}, "memory": []}
    for name in models:
        found = in_process(name, str(args.tiles), str(args.rounds))
        result["models"][f"{name} on {found['device']}"] = found
        rates = "  ".join(f"{work} {rate:.1f}" for work, rate in found["tiles_per_s"].items())
        sys.stdout.write(
            f"{name} on {found['device']}: tiles/s {rates}\n"
            f"  share of bare rate {found['pipeline_share_of_bare_rate']:.3f} "
            f"(CPU time {found['pipeline_share_in_cpu_time']:.3f}), "
            f"{found['speedup_over_plain_loop']:.2f} × plain loop, "
            f"GPU {found['peak_gpu_gb']:.1f} GB\n"
        )
    for number in args.memory_tiles:
        found = in_process("memory", str(number), str(args.memory_tile_px))
        result["memory"].append(found)
        quarters = " ".join(f"{value:.0f}" for value in found["median_mb_by_quarter"])
        sys.stdout.write(
            f"{number} tiles of {found['tile_px']} px: peak {found['peak_mb']:.0f} MB, "
            f"by quarter {quarters} MB, {found['wall_s']:.0f} s\n"
        )
    write_json(args.out, result)


if __name__ == "__main__":
    main()
