"""The tiles of a patient, of all slides, as one bag: listed once, read where they lie."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from histohet.common.arrays import Float32
from histohet.common.hdf5 import CHUNK_ROWS, open_file
from histohet.features.file import open_tiles
from histohet.fusion.errors import FusionError
from histohet.fusion.mil.tables import MADE_BY

RUN = 16
"""Tiles that lie side by side in the file are drawn together, so that a draw of some hundreds of
200,000 tiles reads megabytes and not all of them."""


class Source(NamedTuple):
    """Where the embeddings of a slide lie.

    Attributes
    ----------
    features
        Their file.
    coverage, least
        Epithelium of every tile, and how much a tile needs to count; None if all encoded ones do.
    """

    features: str | Path
    coverage: str | Path | None = None
    least: float | None = None


def sources_of(
    features: Sequence[str], coverage: Sequence[str], least: float | None
) -> list[Source]:
    """Return the sources of slides by their files, `coverage` empty if all encoded tiles count."""
    beside: Sequence[str | None] = coverage or [None] * len(features)
    return [Source(one, other, least) for one, other in zip(features, beside, strict=True)]


def list_bags(sources: Sequence[Source], patients: Mapping[str, str], encoder: str) -> pd.DataFrame:
    """Return what slides have to give, a row for each of them.

    Parameters
    ----------
    sources
        Of all slides.
    patients
        Whose slides they are; those that are not named are no part of the cohort.
    encoder
        What this run calls the encoder of embeddings that it has made; others say it themselves.

    Returns
    -------
    DataFrame
        ``slide``, ``patient``, ``features`` (the file), ``n_tiles``, ``reason`` (why there is
        none), and what made them: `MADE_BY`.

    Raises
    ------
    FusionError
        If the embeddings of two slides are of another make.
    """
    rows = [row for source in sources if (row := _row(source, patients, encoder))]
    columns = ["slide", "patient", "features", "n_tiles", "reason", *MADE_BY]
    table = pd.DataFrame(rows, columns=columns)
    having = table[table["n_tiles"] > 0]
    for column in MADE_BY:
        differing = having.drop_duplicates(column)
        if len(differing) > 1:
            (one, other), (here, there) = differing["slide"][:2], differing[column][:2]
            raise FusionError(
                f"block 'mil': the embeddings of slides '{one}' and '{other}' differ in {column}, "
                f"'{here}' and '{there}': one network takes one kind"
            )
    return table


def _row(source: Source, patients: Mapping[str, str], encoder: str) -> dict[str, object] | None:
    with open_file(source.features) as file:
        dataset = file["features"]
        named, width = str(dataset.attrs["encoder"]), int(dataset.shape[1])
        parameters = json.loads(file.attrs["provenance"])["parameters"]
    with open_tiles(*source) as table:
        tiles, n_tiles = table.tiles, len(table.tile_index)
    slide = str(tiles.attributes["name"])
    if slide not in patients:
        return None
    there = tiles.outcome.ok and n_tiles > 0
    return {
        "slide": slide,
        "patient": patients[slide],
        "features": str(source.features),
        "n_tiles": n_tiles if there else 0,
        "reason": "" if there else tiles.outcome.reason or "no tile",
        "encoder": encoder if "encoder" in parameters else named,
        "weights": (parameters.get("weights") or {}).get("sha256", ""),
        "tile_um": f"{tiles.attributes.get('tile_um', 0):g}",
        "tile_px": str(tiles.attributes.get("patch_size", 0)),
        "width": str(width),
    }


class Bags:
    """The bags of patients.

    Parameters
    ----------
    table
        From `list_bags`.
    sources
        Where its slides lie.

    Attributes
    ----------
    slides
        By patient the slides that have tiles: where they lie, and how many they have.
    """

    def __init__(self, table: pd.DataFrame, sources: Sequence[Source]) -> None:
        places = {str(source.features): source for source in sources}
        self.slides: dict[str, list[tuple[Source, int]]] = {}
        having = table[table["n_tiles"] > 0]
        rows = zip(having["patient"], having["features"], having["n_tiles"], strict=True)
        for patient, features, n_tiles in rows:
            self.slides.setdefault(patient, []).append((places[features], int(n_tiles)))

    def __contains__(self, patient: str) -> bool:
        return patient in self.slides

    def some(self, patient: str, most: int, rng: np.random.Generator) -> Float32:
        """Draw tiles of a patient, float32 (n, D), n at most `most`; all where there are no more.

        Raises
        ------
        FusionError
            If an embedding is not finite.
        """
        slides = self.slides[patient]
        # Runs of all slides on one line; the last of a slide may be shorter.
        runs = [
            (slide, first)
            for slide, (_, n_tiles) in enumerate(slides)
            for first in range(0, n_tiles, RUN)
        ]
        if sum(n_tiles for _, n_tiles in slides) > most:
            drawn = rng.permutation(len(runs))[: -(-most // RUN)]
            runs = [runs[number] for number in np.sort(drawn).tolist()]
        parts = []
        for slide, (source, n_tiles) in enumerate(slides):
            firsts = [first for number, first in runs if number == slide]
            if firsts:
                with open_tiles(*source) as table:
                    parts += [
                        table.features[first : min(last, n_tiles)]
                        for first, last in _joined(firsts)
                    ]
        return _finite(np.concatenate(parts)[:most], patient)

    def chunks(self, patient: str) -> Iterator[Float32]:
        """Yield all tiles of a patient, float32 (n, D), some thousands at a time."""
        for source, n_tiles in self.slides[patient]:
            with open_tiles(*source) as table:
                for first in range(0, n_tiles, CHUNK_ROWS):
                    yield _finite(table.features[first : first + CHUNK_ROWS], patient)


def _joined(firsts: Sequence[int]) -> list[tuple[int, int]]:
    """Return first and last row, exclusive, of runs, those side by side as one."""
    found: list[tuple[int, int]] = []
    for first in firsts:
        if found and found[-1][1] == first:
            found[-1] = found[-1][0], first + RUN
        else:
            found.append((first, first + RUN))
    return found


def _finite(tiles: Float32, patient: str) -> Float32:
    if not np.isfinite(tiles).all():
        raise FusionError(
            f"block 'mil': embeddings of patient '{patient}' are not finite: encode the slides anew"
        )
    return tiles
