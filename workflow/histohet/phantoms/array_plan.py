"""What will be planted in arrays of cores: where the cores stand, and whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from histohet.phantoms.plan import PhantomPlan, Scanner, Stain, draw_scanner, draw_stain
from histohet.phantoms.settings import PhantomArraySettings, PhantomSettings

MPP, OBJECTIVE = 0.5, 20

# All in diameters of a core: from one to the next, how much further block and block lie apart and
# are shifted against each other, glass around all, and the scatter of the cores about their places.
PITCH = 1.35
GAP, SHIFT = 0.9, 0.2
MARGIN = 0.9
JITTER = 0.035
# The control that tells a turned array stands as far off the first row, in pitches.
ALONE = 1.35

# Share of the cores of which a piece broke off, and its depth in diameters.
DAMAGED = 0.15
LOSS = (0.08, 0.22)
DUST_PER_MM2 = 0.15

Kind = Literal["tissue", "control"]


@dataclass(frozen=True)
class Spot:
    """A place of an array that a core was set in.

    Attributes
    ----------
    row, column
        From 0 on.
    kind
        Tissue of a patient, or a control.
    patient
        Whose it is, of tissue.
    number
        Which of the patient's cores it is, from 0 on.
    x_um, y_um
        Centre on the slide.
    missing
        Whether the core is lost.
    loss
        Depth of what broke off at one side, in diameters; 0 if the core is whole.
    seed
        Of its outline and of what grows in it.
    """

    row: int
    column: int
    kind: Kind
    patient: str | None = None
    number: int = 0
    x_um: float = 0.0
    y_um: float = 0.0
    missing: bool = False
    loss: float = 0.0
    seed: int = 0

    @property
    def name(self) -> str:
        """Row and column, such as ``A-1``."""
        return f"{ascii_uppercase[self.row]}-{self.column + 1}"


class Speck(NamedTuple):
    """Dust on the glass: its middle and radius, µm."""

    x_um: float
    y_um: float
    radius_um: float


@dataclass(frozen=True)
class ArrayPlan:
    """One array slide to be generated.

    Attributes
    ----------
    pen
        Colour that dust has.
    """

    array: str
    seed: int
    diameter_um: float
    tilt_degrees: float
    width_um: float
    height_um: float
    spots: tuple[Spot, ...]
    dust: tuple[Speck, ...]
    stain: Stain
    scanner: Scanner
    mpp: float = MPP
    objective: int = OBJECTIVE
    pen: str = "black"

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of level 0."""
        return int(self.height_um / self.mpp), int(self.width_um / self.mpp)


def plan_arrays(settings: PhantomSettings, donors: Sequence[PhantomPlan]) -> list[ArrayPlan]:
    """Plan the arrays that the cores of a cohort's patients are set in.

    The patients are spread over the arrays in turn. Each block of an array holds one core of each
    of its patients and a control, in an order of its own; a lone control stands beside the first.

    Parameters
    ----------
    settings
        With the section `arrays`.
    donors
        See `plan_cohort`.

    Raises
    ------
    ValueError
        If the section is not there, an array gets no patient, or needs more rows than letters.
    """
    arrays = settings.arrays
    if arrays is None:
        raise ValueError("phantoms.arrays: is missing")
    if arrays.n_arrays > len(donors):
        raise ValueError(
            f"phantoms.arrays: {arrays.n_arrays} arrays cannot be filled by {len(donors)} patients"
        )
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 3]))
    return [
        _plan_array(f"array_{number + 1}", donors[number :: arrays.n_arrays], arrays, rng)
        for number in range(arrays.n_arrays)
    ]


def _plan_array(
    name: str, donors: Sequence[PhantomPlan], arrays: PhantomArraySettings, rng: np.random.Generator
) -> ArrayPlan:
    tilt = float(rng.choice((-1, 1)) * arrays.tilt_degrees)
    spots = _fill([donor.patient for donor in donors], arrays, rng)
    places = _places(spots, arrays, tilt, rng)
    edge = MARGIN * arrays.diameter_um
    width, height = (places.max(axis=0) + edge).tolist()
    lost = _lost(spots, arrays.missing, rng)
    damaged = rng.random(len(spots)) < DAMAGED
    placed = tuple(
        replace(
            spot,
            x_um=round(x, 1),
            y_um=round(y, 1),
            missing=number in lost,
            loss=round(float(rng.uniform(*LOSS)), 3) if damaged[number] else 0.0,
            seed=int(rng.integers(2**31)),
        )
        for number, (spot, (x, y)) in enumerate(zip(spots, places.tolist(), strict=True))
    )
    specks = rng.random((int(DUST_PER_MM2 * width * height / 1e6), 3))
    dust = tuple(
        Speck(*speck) for speck in (specks * (width, height, 25) + (0, 0, 10)).round(1).tolist()
    )
    return ArrayPlan(
        name,
        int(rng.integers(2**31)),
        arrays.diameter_um,
        tilt,
        round(width, 1),
        round(height, 1),
        placed,
        dust,
        draw_stain(rng),
        draw_scanner(rng),
    )


def _fill(
    patients: Sequence[str], arrays: PhantomArraySettings, rng: np.random.Generator
) -> list[Spot]:
    """Set the cores into the blocks, row by row, and the lone control before them."""
    rows = -(-(len(patients) + 1) // arrays.columns)
    if rows > len(ascii_uppercase):
        raise ValueError(
            f"phantoms.arrays: {rows} rows are more than letters: take more arrays or columns"
        )
    spots = [Spot(0, 0, "control")]
    for block in range(arrays.blocks):
        for place, one in enumerate(rng.permutation(len(patients) + 1).tolist()):
            row, column = divmod(place, arrays.columns)
            column += 1 + block * arrays.columns
            if one == len(patients):
                spots.append(Spot(row, column, "control"))
            else:
                spots.append(Spot(row, column, "tissue", patients[one], block))
    return spots


def _places(
    spots: Sequence[Spot], arrays: PhantomArraySettings, tilt: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the centres on the slide, (N, 2), µm."""
    row, column = np.array([(spot.row, spot.column) for spot in spots]).T
    block = np.maximum(column - 1, 0) // arrays.columns
    x = PITCH * column + GAP * block
    x[column == 0] = PITCH * (1 - ALONE)
    y = PITCH * row + SHIFT * (block % 2)
    xy = np.column_stack([x, y]) + JITTER * rng.standard_normal((len(spots), 2))
    angle = np.radians(tilt)
    cosine, sine = np.cos(angle), np.sin(angle)
    xy = xy @ np.array([[cosine, sine], [-sine, cosine]])
    placed: np.ndarray = arrays.diameter_um * (xy - xy.min(axis=0) + MARGIN)
    return placed


def _lost(spots: Sequence[Spot], share: float, rng: np.random.Generator) -> set[int]:
    """Choose cores of tissue that are lost; the last one of a row or of a column never is."""
    tissue = [number for number, spot in enumerate(spots) if spot.kind == "tissue"]
    rows, columns = (Counter(getattr(spot, of) for spot in spots) for of in ("row", "column"))
    lost: set[int] = set()
    for number in rng.permutation(tissue).tolist():
        spot = spots[number]
        if len(lost) < round(share * len(tissue)) and rows[spot.row] > 1 < columns[spot.column]:
            lost.add(number)
            rows[spot.row] -= 1
            columns[spot.column] -= 1
    return lost


def spot_table(plans: Sequence[ArrayPlan]) -> pd.DataFrame:
    """Return one row per core of all arrays: what was planned."""
    return pd.DataFrame(
        {
            "array": plan.array,
            "core": spot.name,
            "kind": spot.kind,
            "patient": spot.patient or "",
            "x": round(spot.x_um / plan.mpp, 1),
            "y": round(spot.y_um / plan.mpp, 1),
            "missing": int(spot.missing),
            "loss": spot.loss,
        }
        for plan in plans
        for spot in plan.spots
    )


def map_table(plan: ArrayPlan) -> pd.DataFrame:
    """Return whose the cores of an array are, laid out like it, as laboratories write it."""
    rows, columns = grid_of(plan)
    table = pd.DataFrame("", range(rows), range(columns))
    for spot in plan.spots:
        table.loc[spot.row, spot.column] = spot.patient or spot.kind
    table.columns = pd.Index([str(column + 1) for column in range(columns)])
    table.insert(0, "row", list(ascii_uppercase[:rows]))
    return table


def grid_of(plan: ArrayPlan) -> tuple[int, int]:
    """Return how many rows and columns an array has."""
    return (
        1 + max(spot.row for spot in plan.spots),
        1 + max(spot.column for spot in plan.spots),
    )
