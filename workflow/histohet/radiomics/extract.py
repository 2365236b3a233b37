"""Features of one scan: under its first mask, and under others that tell how stable they are."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from histohet.common.arrays import Bools
from histohet.common.files import read_json, write_json
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.ct.file import ScanImage
from histohet.radiomics.engine import Engine, Identity, RegionError, RegionImage
from histohet.radiomics.perturb import perturbed, signed_distance
from histohet.radiomics.settings import RadiomicsSettings

Source = Literal["mask", "reader", "perturbation"]


@dataclass(frozen=True)
class Draw:
    """Features under one mask.

    Attributes
    ----------
    source
        ``mask``: the first of the sheet, which counts; ``reader``: another one of the sheet;
        ``perturbation``: the first with its boundary moved.
    number
        0 for the first mask, from 1 on for those of each other source.
    features
        By name; NaN where one is not defined.
    """

    source: Source
    number: int
    features: dict[str, float]


@dataclass(frozen=True)
class Extraction:
    """All features of a scan; without draws with another outcome than ok.

    Attributes
    ----------
    finished
        Whether another tool has made them, whose engine and settings are as its table says.
    """

    scan: str
    identity: Identity
    draws: tuple[Draw, ...]
    outcome: Outcome
    finished: bool = False


def extract(
    scan: str, image: ScanImage, engine: Engine, settings: RadiomicsSettings, seed: int
) -> list[Draw]:
    """Return the features of a scan under every mask; the first draw is the one that counts.

    A draw other than that whose region has no features is left out.

    Parameters
    ----------
    scan
        Its id, which the random movements depend on, and on nothing else but the seed.

    Raises
    ------
    SlideLost
        If the scan has another outcome than ok.
    RegionError
        If the region of its first mask has no features.
    """
    image.outcome.raise_if_lost()
    (_, first), *others = image.regions.items()
    draws = [Draw("mask", 0, engine.extract(_region(image, first)))]
    masks: list[tuple[Source, int, Bools]] = [
        ("reader", number, inside) for number, (_, inside) in enumerate(others, start=1)
    ]
    masks += [
        ("perturbation", number, inside)
        for number, inside in enumerate(_moved(scan, image, first, settings, seed), start=1)
    ]
    for source, number, inside in masks:
        try:
            draws.append(Draw(source, number, engine.extract(_region(image, inside))))
        except RegionError:
            continue
    return draws


def _region(image: ScanImage, inside: Bools) -> RegionImage:
    return RegionImage(image.image, inside, image.spacing)


def _moved(
    scan: str, image: ScanImage, inside: Bools, settings: RadiomicsSettings, seed: int
) -> Iterator[Bools]:
    if not settings.perturbations or inside.all():
        # A region that is all of a scan has no boundary in it.
        return
    distance = signed_distance(inside, image.spacing)
    for number in range(1, settings.perturbations + 1):
        rng = np.random.default_rng([seed, zlib.crc32(scan.encode()), number])
        moved = perturbed(distance, image.spacing, settings.boundary_mm, rng)
        if moved.any():
            yield moved


def write_extraction(path: str | Path, extraction: Extraction, provenance: Provenance) -> None:
    """Write the features of a scan as JSON; what is not defined is null."""
    data: dict[str, Any] = {
        "scan": extraction.scan,
        "status": str(extraction.outcome.status),
        "reason": extraction.outcome.reason,
        "engine": extraction.identity.engine,
        "settings": dict(extraction.identity.settings),
        "finished": extraction.finished,
        "draws": [asdict(draw) | {"features": _plain(draw)} for draw in extraction.draws],
    }
    write_json(path, {**data, **provenance.as_dict()})


def _plain(draw: Draw) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in draw.features.items()}


def read_extraction(path: str | Path) -> Extraction:
    """Read what `write_extraction` wrote."""
    data = read_json(path)
    draws = tuple(
        Draw(
            one["source"],
            one["number"],
            {name: math.nan if v is None else v for name, v in one["features"].items()},
        )
        for one in data["draws"]
    )
    outcome = Outcome(Status(data["status"]), data["reason"])
    identity = Identity(data["engine"], data["settings"])
    return Extraction(data["scan"], identity, draws, outcome, data["finished"])
