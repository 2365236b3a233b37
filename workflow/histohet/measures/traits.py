"""Trait maps (PathoMCH): which tiles of a slide show which traits, and how these are mixed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from scipy.special import expit

from histohet.common.arrays import Bools, Float32, Floats, Ints
from histohet.common.hdf5 import new_file, open_file, outcome_of
from histohet.common.outcome import OK, Outcome, SlideLost
from histohet.common.provenance import Provenance
from histohet.common.settings import by_value
from histohet.common.sheets import number_of, read_table
from histohet.measures.heterogeneity import HTA_PERMUTATIONS, Base, hta, trait_hti
from histohet.tiles.file import TileTable, write_coords
from histohet.tiles.lattice import LARGEST_PX, Coords, first_of_each, outside

POSITION_COLUMNS = ("x", "y")

MAP = ".h5"
"""How a file of our maps ends; those of the sheet are tables."""

MIXED, NO_POSITIVE_TILE = "ok", "no positive tile"
"""Status of a combination: a slide without positive tiles is not homogeneous, it shows nothing."""

UNSEEN = "unseen"
"""Whether models have not seen the patient; ``trait_unseen`` of the models of a combination,
``unseen_<trait>`` of those of one trait."""

TraitMeasure = Literal[
    "hti_possible", "hti_observed", "hti_soft", "hti_excess", "hta", "hta_p", "n_positive"
]
TRAIT_MEASURES: tuple[str, ...] = get_args(TraitMeasure)
"""Numbers of a combination of traits; columns ``trait_<measure>`` of the table of slides."""


@dataclass(frozen=True)
class TraitMap:
    """Trait maps of a slide.

    Attributes
    ----------
    names
        The T traits.
    coords
        int64 (N, 2), corners of the tiles, level-0 px.
    votes
        bool (N, T), which tiles are positive.
    logits
        float32 (N, T), what the models say; None of maps that the sheet names.
    outcome
        Why a slide has none.
    unseen
        By trait, whether the models have not seen the patient.
    expression
        By trait, what was measured in bulk; NaN if nothing was.
    """

    names: tuple[str, ...]
    coords: Coords
    votes: Bools
    logits: Float32 | None = None
    outcome: Outcome = OK
    unseen: Mapping[str, bool] = field(default_factory=dict)
    expression: Mapping[str, float] = field(default_factory=dict)


def read_trait_map(path: str | Path, size: tuple[int, int] | None = None) -> TraitMap:
    """Read trait maps: our own, or a table that the sheet names.

    A table has one row per tile, columns ``x``, ``y`` (level-0 px) and one of 0 and 1 per trait.
    Its tiles are the trait model's own; they need not be ours. Each counts once.

    Parameters
    ----------
    size
        (width, height) of level 0; None if it is not known.

    Raises
    ------
    ValueError
        If there is no trait column or no row, a value is neither 0 nor 1, a position is none, lies
        off the slide, or stands twice with different traits; names file and row, or the position.
    """
    if Path(path).suffix == MAP:
        return _read_own(path)
    header, rows = read_table(path, "trait maps")
    missing = [name for name in POSITION_COLUMNS if name not in header]
    names = [name for name in header if name not in POSITION_COLUMNS]
    if missing or not names:
        raise ValueError(f"{path}: columns x, y and at least one trait are needed, not {header}")
    if not rows:
        raise ValueError(f"{path} has no rows")
    places = np.empty((len(rows), 2))
    for index, (number, cells) in enumerate(rows):
        wrong = [name for name in names if by_value(cells[name]) not in {"0", "1"}]
        if wrong:
            raise ValueError(
                f"{path}, row {number}: {wrong[0]} is '{cells[wrong[0]]}', it must be 0 or 1"
            )
        for axis, name in enumerate(POSITION_COLUMNS):
            places[index, axis] = _position(cells[name], f"{path}, row {number}: {name}")
    traits = np.array([[by_value(cells[name]) == "1" for name in names] for _, cells in rows])
    try:
        once = first_of_each(places, traits)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    coords = places[once].astype(np.int64)
    if problem := outside(coords, size):
        raise ValueError(f"{path}: {problem}")
    return TraitMap(tuple(names), coords, traits[once])


def _position(text: str, where: str) -> float:
    try:
        value = number_of(text)
    except ValueError:
        value = math.nan
    if not abs(value) < LARGEST_PX or not value.is_integer():
        raise ValueError(f"{where} is '{text}', not a position on a slide")
    return value


def write_trait_map(
    path: str | Path,
    found: TraitMap,
    tiles: TileTable,
    tile_index: Ints,
    about: Mapping[str, Any],
    provenance: Provenance,
) -> None:
    """Write our trait maps of a slide.

    Parameters
    ----------
    tiles, tile_index
        The tiles that rows stand for, and their rows of the tile file, (N,).
    about
        Further attributes, such as the fold.
    """
    with new_file(path, found.outcome, provenance) as file:
        write_coords(file, found.coords, tiles.attributes)
        file.create_dataset("tile_index", data=np.asarray(tile_index, np.int64))
        file.create_dataset("vote", data=found.votes)
        if found.logits is not None:
            file.create_dataset("score", data=found.logits)
        # NaN is no JSON.
        known = {n: value for n, value in found.expression.items() if not math.isnan(value)}
        texts = {"traits": found.names, "unseen": found.unseen, "expression": known}
        file.attrs.update({name: json.dumps(value) for name, value in texts.items()})
        file.attrs.update(about)


def _read_own(path: str | Path) -> TraitMap:
    with open_file(path) as file:
        names = tuple(json.loads(file.attrs["traits"]))
        expression = json.loads(file.attrs["expression"])
        return TraitMap(
            names,
            file["coords"][:],
            file["vote"][:],
            file["score"][:],
            outcome_of(file),
            json.loads(file.attrs["unseen"]),
            {name: float(expression.get(name, math.nan)) for name in names},
        )


def combination_name(traits: Sequence[str]) -> str:
    """Return what a combination of traits is called, in columns and files."""
    return "_".join(traits)


def combination_shares(probabilities: Floats) -> Floats:
    """Return how often each combination of traits is expected on a tile that has any.

    Parameters
    ----------
    probabilities
        (N, T) of each trait on each tile, independent given the tile; 0 and 1 for positive tiles.

    Returns
    -------
    ndarray
        (2^T - 1,) shares that add up to 1, in binary order of the combinations, the first trait
        being the highest digit; zeros if no tile has a trait.
    """
    without = 1 - probabilities
    shares = []
    for combination in product((False, True), repeat=probabilities.shape[1]):
        of_tile = np.ones(len(probabilities))
        for trait, there in enumerate(combination):
            of_tile *= probabilities[:, trait] if there else without[:, trait]
        shares.append(of_tile.mean() if len(of_tile) else 0.0)
    any_trait = np.array(shares[1:])
    total = any_trait.sum()
    return any_trait / total if total > 0 else any_trait


def soft_hti(probabilities: Floats) -> float:
    """Return HTI by the expected shares of combinations; for probabilities of 0 and 1 it is HTI.

    Of one row, the shares of the traits on a slide, it is the HTI of traits that are spread
    independently of each other.
    """
    shares = combination_shares(np.asarray(probabilities, np.float64))
    present = shares[shares > 0]
    if len(present) < 2:
        return 0.0
    return min(1.0, float(-(present * np.log(present)).sum()) / math.log(len(shares)))


def trait_measures(
    found: TraitMap, combinations: Sequence[Sequence[str]], region_px: float | None, seed: int
) -> dict[str, Any]:
    """Measure the trait maps of a slide.

    Parameters
    ----------
    found
        The maps.
    combinations
        Traits that are looked at together; of maps that lack one of them, and without any, all
        traits of the map are one combination.
    region_px
        Side of the squares of HTA; without it there is no HTA.
    seed
        Of its permutations.

    Returns
    -------
    dict
        Columns of the table of slides: ``traits``, ``trait_status`` and ``trait_<measure>`` of the
        first combination, with ``_<A>_<B>`` after the names of columns of the others;
        ``trait_positive_<trait>``, share of positive tiles, ``expression_<trait>``, and
        ``unseen_<trait>``, whether its models have not seen the patient.
    """
    if not all(set(one) <= set(found.names) for one in combinations):
        combinations = ()
    wanted = [tuple(one) for one in combinations] or [found.names]
    row: dict[str, Any] = {"traits": ", ".join(wanted[0])}
    for number, combination in enumerate(wanted):
        suffix = f"_{combination_name(combination)}" if number else ""
        measures = _of_combination(found, combination, region_px, seed)
        row |= {f"trait_{name}{suffix}": value for name, value in measures}
    for column, trait in enumerate(found.names):
        if found.outcome.ok:
            row[f"trait_positive_{trait}"] = float(found.votes[:, column].mean())
        if trait in found.expression:
            value = found.expression[trait]
            row[f"expression_{trait}"] = None if math.isnan(value) else value
        if trait in found.unseen:
            row[f"{UNSEEN}_{trait}"] = found.unseen[trait]
    return row


def _of_combination(
    found: TraitMap, combination: Sequence[str], region_px: float | None, seed: int
) -> Iterator[tuple[str, Any]]:
    """Yield the measures of a combination by name, without the prefix ``trait_``."""
    if found.unseen:
        yield UNSEEN, all(found.unseen[name] for name in combination)
    if not found.outcome.ok:
        yield "status", f"no map: {found.outcome.reason}"
        return
    columns = [found.names.index(name) for name in combination]
    votes = found.votes[:, columns]
    positive = votes.any(axis=1)
    yield "n_positive", int(positive.sum())
    if not positive.any():
        yield "status", NO_POSITIVE_TILE
        return
    yield "status", MIXED
    hard = {base: trait_hti(votes, base) for base in get_args(Base)}
    yield from ((f"hti_{base}", value) for base, value in hard.items())
    if found.logits is not None:
        yield "hti_soft", soft_hti(expit(found.logits[:, columns].astype(np.float64)))
    yield "hti_excess", hard["possible"] - soft_hti(votes.mean(axis=0, keepdims=True))
    if region_px is not None:
        kinds = votes[positive] @ (1 << np.arange(len(columns)))
        n_possible = 2 ** len(columns) - 1
        coords = found.coords[positive]
        # One trait has one combination, of which no base could be.
        value, p = 0.0, 1.0
        if n_possible > 1:
            value, p = hta(kinds, coords, region_px, n_possible, HTA_PERMUTATIONS, seed)
        yield "hta", value
        yield "hta_p", p


def maps_of(path: str, size: tuple[int, int] | None = None) -> TraitMap:
    """Read trait maps as a step of a slide.

    Raises
    ------
    SlideLost
        If they cannot be read.
    """
    try:
        return read_trait_map(path, size)
    except ValueError as error:
        raise SlideLost(f"traits: {error}") from error
