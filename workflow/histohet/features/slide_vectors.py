"""One vector per slide: its tile embeddings pooled, slide by slide, and the table of a cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from histohet.common.arrays import Float32, Floats
from histohet.common.files import atomic_path
from histohet.common.hdf5 import CHUNK_ROWS, new_file, open_file
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.common.tables import TEXT, write_sidecar, write_tsv
from histohet.tiles.file import TileTable, tiles_of, write_coords

Vector = Float32

# Nine digits tell any two float32 apart.
NUMBER = "\t%.9g"


def softmax(values: npt.NDArray[np.floating]) -> Floats:
    """Return exp(values) divided by their sum, without overflow; (N,) float64."""
    if not len(values):
        return np.empty(0)
    powers: Floats = np.exp(np.asarray(values, np.float64) - np.max(values))
    shares: Floats = powers / powers.sum()
    return shares


def pool(features: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]) -> Vector:
    """Return the weighted mean of the tiles' embeddings.

    Weights of 1 give the mean (GC-MLM); `softmax` of raw attention gives attention pooling (Ilse et
    al., ICML 2018), which on CHIEF's own features is CHIEF's slide embedding.

    Parameters
    ----------
    features
        (N, D) embeddings; an array, or anything that gives rows by slices, which is read in chunks.
    weights
        (N,) not negative.

    Returns
    -------
    ndarray
        (D,) float32, summed in float64.

    Raises
    ------
    ValueError
        If there is no tile, the lengths differ, the weights do not add up to more than 0, or the
        result is not finite.
    """
    if not len(features) or len(features) != len(weights):
        raise ValueError(f"{len(weights)} weights for {len(features)} tiles to pool")
    total = float(np.sum(weights, dtype=np.float64))
    if not total > 0 or np.min(weights) < 0:
        raise ValueError("weights of tiles must not be negative, and not all of them 0")
    pooled = np.zeros(features.shape[1])
    for first in range(0, len(features), CHUNK_ROWS):
        chunk = slice(first, first + CHUNK_ROWS)
        pooled += np.asarray(weights[chunk], np.float64) @ np.asarray(features[chunk], np.float64)
    result: Vector = (pooled / total).astype(np.float32)
    if not np.isfinite(result).all():
        raise ValueError("the embeddings of some tiles are not finite; encode the slide again")
    return result


@dataclass(frozen=True)
class SlideEmbedding:
    """The vector of one slide, float32 (D,); (0,) with another outcome than ok."""

    slide: str
    vector: Vector
    n_tiles: int
    outcome: Outcome


def write_slide_embedding(
    path: str | Path,
    slide: str,
    vector: Vector,
    tiles: TileTable,
    encoder: str,
    provenance: Provenance,
) -> None:
    """Write the vector of a slide in TRIDENT's layout of slide features.

    ``features`` is the vector, ``coords`` the tiles that were pooled. A slide with another outcome
    than ok gets a file without numbers that says why.
    """
    found = tiles.outcome.ok
    with new_file(path, tiles.outcome, provenance) as file:
        dataset = file.create_dataset("features", data=vector if found else np.empty(0, np.float32))
        dataset.attrs.update({"name": slide, "savetodir": str(Path(path).parent)})
        dataset.attrs["encoder"] = encoder
        write_coords(file, tiles.coords if found else tiles.coords[:0], tiles.attributes)


def read_slide_embedding(path: str | Path) -> SlideEmbedding:
    """Read what `write_slide_embedding` wrote."""
    with open_file(path) as file:
        tiles, dataset = tiles_of(file), file["features"]
        name = str(dataset.attrs["name"])
        return SlideEmbedding(name, dataset[:], len(tiles.coords), tiles.outcome)


def write_embedding_tables(
    embeddings: Iterable[SlideEmbedding],
    table: str | Path,
    slides: str | Path,
    patients: Mapping[str, str],
    provenance: Provenance,
) -> int:
    """Write the vectors of a cohort, one slide at a time, and what became of every slide.

    Parameters
    ----------
    embeddings
        Read as they are written, so only one is held.
    table
        TSV with ``wsi`` and ``feat_0`` to ``feat_<D-1>`` (GC-MLM): slides that have a vector, each
        number with enough digits to give the same float32 again.
    slides
        TSV with ``slide``, ``patient``, ``status``, ``reason`` and ``n_tiles``: every slide.
    patients
        Whose each slide is.

    Returns
    -------
    int
        Number of slides that have a vector.

    Raises
    ------
    ValueError
        If vectors have different lengths; the message names the slide.
    """
    status: list[dict[str, str | int]] = []
    width: int | None = None
    with atomic_path(table) as partial, partial.open("w", encoding="utf-8") as file:
        for found in embeddings:
            outcome = found.outcome
            status.append(
                {
                    "slide": found.slide,
                    "patient": patients[found.slide],
                    "status": str(outcome.status),
                    "reason": outcome.reason,
                    "n_tiles": found.n_tiles,
                }
            )
            if not outcome.ok:
                continue
            if width is None:
                width = len(found.vector)
                file.write("\t".join(["wsi", *(f"feat_{i}" for i in range(width))]) + "\n")
            if len(found.vector) != width:
                raise ValueError(
                    f"the embedding of slide '{found.slide}' has {len(found.vector)} numbers, those"
                    f" before it {width}: they are of another encoder"
                )
            numbers = NUMBER * width % tuple(found.vector.tolist())
            file.write(found.slide + numbers + "\n")
        if width is None:
            file.write("wsi\n")
    numbers_of = dict.fromkeys((f"feat_{i}" for i in range(width or 0)), "float64")
    write_sidecar(table, {"wsi": TEXT, **numbers_of}, provenance)
    columns = ["slide", "patient", "status", "reason", "n_tiles"]
    write_tsv(slides, pd.DataFrame(status, columns=columns), provenance)
    return sum(row["status"] == Status.OK for row in status)
