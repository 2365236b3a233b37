"""Patients whose risk a few tiles tell, as feature files alone: nothing is rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.features.file import feature_file, write_no_features
from histohet.fusion.blocks import Block
from histohet.fusion.mil.bags import Bags, Source, list_bags
from histohet.fusion.mil.predictions import predict_split
from histohet.fusion.settings import MilSettings
from histohet.fusion.splits import Split
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.settings import TileSpec

MADE = {"encoder": {"name": "uni"}, "weights": {"file": "uni.bin", "sha256": "a" * 64}}


@dataclass(frozen=True, eq=False)
class Needles:
    """Patients with two kinds of rare tiles, opposite to each other, or without.

    Attributes
    ----------
    tiles
        (N, D) of each patient.
    outcome
        ``time_months`` and ``state``, indexed by patient.
    needles
        (n,) who has them.
    """

    tiles: Mapping[str, np.ndarray]
    outcome: pd.DataFrame
    needles: np.ndarray

    def write(self, folder: Path, slides: int = 1) -> tuple[list[Source], dict[str, str]]:
        """Write the tiles of each patient to so many slides; return them and whose they are."""
        sources, patients = [], {}
        for patient, tiles in self.tiles.items():
            for number, part in enumerate(np.array_split(tiles, slides)):
                slide = f"{patient}_{number}"
                sources.append(Source(write_features(folder / f"{slide}.h5", part)))
                patients[slide] = patient
        return sources, patients

    def bags(self, folder: Path, slides: int = 1) -> Bags:
        """Write the tiles, and return the bags."""
        sources, patients = self.write(folder, slides)
        return Bags(list_bags(sources, patients, "uni"), sources)


def needles(
    n: int,
    seed: int,
    *,
    tiles: int = 250,
    width: int = 32,
    share: float = 0.02,
    effect: float = 5,
    months: float = 300,
) -> Needles:
    """Plant tiles +v and as many −v, v of one standard deviation per number, in half of n patients.

    The mean of a patient's tiles says nothing; the log hazard is larger by `effect` with them, the
    mean time to the event without is `months`.
    """
    rng = np.random.default_rng(seed)
    patients = pd.Index([f"P{i:03d}" for i in range(n)], name="patient")
    there, direction = rng.permutation(np.arange(n) % 2 == 0), rng.normal(size=width)
    found = {}
    for patient, planted in zip(patients, there, strict=True):
        some = rng.normal(size=(tiles, width))
        k = max(1, round(share * tiles))
        if planted:
            some[:k] += direction
            some[k : 2 * k] -= direction
        found[patient] = rng.permutation(some).astype(np.float32)
    first = rng.exponential(months * np.exp(-effect * there))
    death, last = rng.exponential(400, n), rng.uniform(12, 60, n)
    time = np.minimum(np.minimum(first, death), last)
    state = np.where(time == first, 1, np.where(time == death, 2, 0))
    outcome = pd.DataFrame({"time_months": time, "state": state}, index=patients)
    return Needles(found, outcome, there)


def write_features(
    path: Path,
    tiles: np.ndarray,
    made: Mapping[str, object] = MADE,
    tile_um: float = 112,
) -> Path:
    """Write a feature file of a slide that is called after it, one row for each tile."""
    path.parent.mkdir(exist_ok=True, parents=True)
    table = _table(path, len(tiles), tile_um)
    rows = np.arange(len(tiles))
    with feature_file(path, table, rows, tiles.shape[1], "uni", Provenance(made)) as file:
        file.append(tiles.astype(np.float32))
    return path


def write_lost(path: Path, reason: str) -> Path:
    """Write the file of a slide without features."""
    outcome = Outcome(Status.NO_TISSUE, reason)
    write_no_features(path, _table(path, 0, 112), outcome, "uni", Provenance(MADE))
    return path


def _table(path: Path, n: int, tile_um: float) -> TileTable:
    attributes = tile_attributes(
        path.stem, TileSpec(tile_um=tile_um, tile_px=224), 0.5, (50_000, 50_000), ""
    )
    coords = np.column_stack([np.arange(n), np.zeros(n, np.int64)]) * 224
    return TileTable(coords, attributes, OK)


def cross_fitted(
    cohort: Needles, bags: Bags, splits: Sequence[Split], settings: MilSettings, seed: int = 1
) -> pd.DataFrame:
    """Train the networks of splits, and return what they say, as the jobs do."""
    from histohet.fusion.mil.training import pupils_of, train

    time, state = (cohort.outcome[name].to_numpy() for name in ("time_months", "state"))
    patients, said = list(cohort.outcome.index), []
    for split in splits:
        pupils = pupils_of(patients, time, state == 1, split.part, bags)
        networks = train(bags, pupils, settings, [seed, split.repeat, split.fold])
        parts = pd.Series(split.part, cohort.outcome.index)
        of_fold = {split.fold: networks}, {split.fold: parts}
        said.append(predict_split(*of_fold, bags, split.repeat))
    return pd.concat(said, ignore_index=True)


def mil_of(cohort: Needles, said: pd.DataFrame) -> Block:
    """Return the block of what networks say in splits."""
    of_all = said.drop_duplicates("patient").set_index("patient")[["mil"]]
    return Block("mil", of_all.reindex(cohort.outcome.index), "few", in_folds=said)
