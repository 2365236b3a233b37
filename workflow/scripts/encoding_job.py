"""What the two scripts that encode tiles share: the job's encoder, its resources, its outcome."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histohet.common.jobs import provenance_of
from histohet.common.outcome import Outcome, Status
from histohet.encoders.device_memory import batch_size_for
from histohet.encoders.encode import encode_slide
from histohet.encoders.make import make_encoder
from histohet.encoders.pixels import TileSource
from histohet.encoders.weights import locate_pinned
from histohet.features.file import feature_file
from histohet.slides.reader import SlideError
from histohet.slides.staging import staged
from histohet.tiles.file import TileTable


def encode_or_say_why(
    job: Any,
    tiles: TileTable,
    index: npt.NDArray[np.int64],
    outcome: Outcome,
    source_of: Callable[[], TileSource],
) -> Outcome:
    """Write the feature file of a slide, one without rows if there is a reason not to encode."""
    if outcome.ok:
        try:
            outcome = _encode(job, tiles, index, source_of())
        except SlideError as error:
            outcome = Outcome(Status.UNREADABLE, str(error))
    if not outcome.ok:
        nothing = TileTable(tiles.coords[:0], tiles.attributes, outcome)
        name, rows = job.params.encoder["name"], np.empty(0, np.int64)
        with feature_file(job.output.features, nothing, rows, 1, name, provenance_of(job)):
            pass
    return outcome


def _encode(
    job: Any, tiles: TileTable, index: npt.NDArray[np.int64], source: TileSource
) -> Outcome:
    checkpoint = locate_pinned(job.params.weights)
    encoder = make_encoder(job.params.encoder, source.tile_px, checkpoint)
    with staged(source.slide, job.resources.get("stage", "")) as slide:
        return encode_slide(
            job.output.features,
            tiles,
            index,
            replace(source, slide=slide),
            encoder,
            provenance_of(job),
            _what_rows_depend_on(job, source, tiles.coords[index]),
            batch_size=batch_size_for(encoder, source.tile_px, job.resources.batch_size),
            workers=job.threads if job.threads > 1 else 0,
            # A network shares no memory between processes; a descriptor has nothing to share.
            in_workers=checkpoint is None,
            max_bad_tiles=job.params.encoding["max_bad_tiles"],
        )


def _what_rows_depend_on(
    job: Any, source: TileSource, coords: npt.NDArray[np.int64]
) -> Mapping[str, Any]:
    """All that makes the embeddings what they are; a partial file of anything else is useless."""
    files = {str(name): Path(name).stat() for name in job.input}
    return {
        "parameters": dict(job.params.items()),
        "source": asdict(source),
        "tiles": hashlib.sha256(coords.tobytes()).hexdigest(),
        "inputs": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in files.items()},
    }
