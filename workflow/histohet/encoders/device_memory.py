"""Memory of the device: how many tiles fit into it, and how they get there fast.

PyTorch takes seconds to import and is not always installed. Where no encoder has imported it there
is no device to care for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from histohet.encoders.base import Encoder, EncoderOutOfMemory
from histohet.slides.reader import Pixels

CPU_BATCH = 32
"""Tiles per forward pass without a GPU: more keep no core busier, and fall out of its cache."""

PROBE = 8
FREE_SHARE = 0.8
"""Of the free memory that a batch may take; the rest is for what differs between batches."""


def _torch_with_gpu() -> Any:
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_available() else None


def batch_size_for(encoder: Encoder, tile_px: int, largest: int) -> int:
    """Choose how many tiles are encoded at once.

    On a GPU two small batches of blank tiles show what a tile takes there, and the batch fills the
    free memory, up to `largest`.
    """
    torch = _torch_with_gpu()
    if torch is None:
        return min(largest, CPU_BATCH)
    taken = []
    try:
        for number in (PROBE, 2 * PROBE):
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            encoder.encode(np.zeros((number, tile_px, tile_px, 3), np.uint8))
            taken.append(torch.cuda.max_memory_allocated() - before)
    except EncoderOutOfMemory:
        return min(largest, PROBE)
    per_tile = max((taken[1] - taken[0]) / PROBE, 1.0)
    free = torch.cuda.mem_get_info()[0]
    free += torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    fitting = int(FREE_SHARE * free / per_tile)
    # Halves and halves again of `largest`, so that few sizes are in use.
    while largest > max(fitting, 1):
        largest = max(largest // 2, 1)
    return largest


@contextmanager
def pinned(array: Pixels) -> Iterator[None]:
    """Keep an array in physical memory during the block, if there is a GPU to copy it to."""
    torch = _torch_with_gpu()
    if torch is None:
        yield
        return
    runtime = torch.cuda.cudart()
    done = int(runtime.cudaHostRegister(array.ctypes.data, array.nbytes, 0)) == 0
    try:
        yield
    finally:
        if done:
            runtime.cudaHostUnregister(array.ctypes.data)
