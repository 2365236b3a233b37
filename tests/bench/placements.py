"""Calibrate the spatial p-values of `histohet.agreement.expression` on smooth random maps.

    .venv/bin/python tests/bench/placements.py [--repeats 1000] [--output FILE]

A wedge-shaped section of about 190 spots on a 200 µm lattice and 112 µm tiles. Either map is the
largest of several independent Gaussian fields with squared-exponential (smooth) or exponential
(rough) correlation of some length in spot distances. Independent maps show how often p <= 0.05
where nothing is to be found; shared ones, whose fields have a common part, how often something is.
Compared are shuffled spots, placements that keep half of the spots, and those that keep 80 %
(ours); of ours, both indices, each also with the other power of n; and the rank correlation of the
first field of either map, given a depth to which that of the spots owes half of its variance.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from histohet.agreement.expression import (
    MIN_OVERLAP,
    OUTSIDE,
    TileMap,
    against_placements,
    contingencies,
    indices,
    place,
    share_at_least_first,
)
from histohet.agreement.genes import rank_correlations_given
from histohet.common.arrays import Floats, Ints
from histohet.common.files import write_json

SPOT_UM, TILE_UM = 200.0, 112.0
CORNERS = np.array([(0, 2300), (3400, 0), (3900, 2400), (2600, 3400)], np.float64)  # µm
N_LABELS, N_CLUSTERS = 7, 5
N_PLACEMENTS, N_SETS, N_SHUFFLES = 499, 20, 199
LEVEL = 0.05
INDEPENDENT = [
    ("smooth", 0.5, 0.5),
    ("smooth", 1.5, 1.5),
    ("smooth", 1.5, 3.0),
    ("smooth", 3.0, 3.0),
    ("rough", 1.0, 1.0),
    ("rough", 1.0, 4.0),
    ("rough", 2.0, 2.0),
    ("rough", 4.0, 4.0),
]
SHARED = [("smooth", 1.5, 0.5), ("smooth", 1.5, 0.7), ("rough", 2.0, 0.5), ("rough", 2.0, 0.7)]
"""Correlation, length of both maps, correlation between the fields of the two."""


def lattice(step: float, offset: float) -> Floats:
    """Return the points of a lattice that lie in the section."""
    axis = np.arange(offset, 4000, step)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    edges = np.roll(CORNERS, -1, axis=0) - CORNERS
    arms = points[:, None] - CORNERS
    inside = edges[:, 0] * arms[..., 1] - edges[:, 1] * arms[..., 0] >= 0
    return points[inside.all(axis=1)]


def root(points: Floats, kind: str, length: float) -> Floats:
    """Return the Cholesky factor of a field's covariance, `length` in spot distances."""
    distance = np.linalg.norm(points[:, None] - points, axis=2) / (length * SPOT_UM)
    covariance = np.exp(-(distance**2) / 2) if kind == "smooth" else np.exp(-distance)
    return np.linalg.cholesky(covariance + 1e-6 * np.eye(len(points)))


class Section:
    """The spots, the tiles, and random placements of the one on the other."""

    def __init__(self) -> None:
        self.spots = lattice(SPOT_UM, 100)
        self.tiles = lattice(TILE_UM, 0)
        corners = np.rint(self.tiles - TILE_UM / 2).astype(np.int64)
        # Every tile is its own cluster: placements do not depend on what the clusters are.
        self.map = TileMap(corners, TILE_UM, np.arange(len(corners)))
        self.found = self.map.at(self.spots)
        n = int((self.found != OUTSIDE).sum())
        self.placed = {
            share: [
                place(self.spots, self.map, share * n, N_PLACEMENTS, seed) for seed in range(N_SETS)
            ]
            for share in (0.5, MIN_OVERLAP)
        }


def p_of_fields(
    section: Section, score: Floats, field: Floats, depth: Floats, repeat: int
) -> float:
    """Return the p-value of a score on tiles and a field at spots, given the depth there."""
    placed = section.placed[MIN_OVERLAP][repeat % N_SETS]
    rows = np.vstack([section.found, placed])
    rho = rank_correlations_given(np.append(score, np.nan)[rows], field, depth)
    return share_at_least_first(np.sqrt((rows != OUTSIDE).sum(axis=1)) * rho)


def p_values(section: Section, labels: Ints, clusters: Ints, repeat: int) -> dict[str, float]:
    """Return p-values, of the adjusted Rand index where no other is named."""
    of_tile = np.append(clusters, OUTSIDE)
    found = of_tile[section.found]
    inside = found != OUTSIDE
    rng = np.random.default_rng(repeat)
    shuffled = rng.permuted(np.tile(found[inside], (N_SHUFFLES, 1)), axis=1)
    half, ours = (of_tile[sets[repeat % N_SETS]] for sets in section.placed.values())
    tables = contingencies(labels, np.vstack([found, ours]))
    ari, nmi = indices(tables)
    by_ours = against_placements(labels, found, ours)
    return {
        "shuffled": against_placements(labels[inside], found[inside], shuffled).ari_p,
        "placed_half": against_placements(labels, found, half).ari_p,
        "placed": by_ours.ari_p,
        "placed_nmi": by_ours.nmi_p,
        "placed_ari_without_n": share_at_least_first(ari),
        "placed_nmi_times_n": share_at_least_first(tables.sum(axis=(1, 2)) * nmi),
    }


def rates(
    section: Section, kind: str, lengths: tuple[float, float], shared: float, repeats: int
) -> dict[str, float]:
    """Return how often each p-value is 0.05 or less."""
    both = np.vstack([section.spots, section.tiles])
    n, seed = len(section.spots), np.random.default_rng([repeats, int(100 * sum(lengths))])
    own = root(section.spots, kind, lengths[0]), root(section.tiles, kind, lengths[1])
    common = root(both, kind, lengths[0]) if shared else np.zeros((len(both), len(both)))
    found: dict[str, list[bool]] = {}
    for repeat in range(repeats):
        part = common @ seed.standard_normal((len(both), N_LABELS)) * np.sqrt(shared)
        rest = np.sqrt(1 - shared)
        labels = part[:n] + rest * own[0] @ seed.standard_normal((n, N_LABELS))
        fields = part[n:, :N_CLUSTERS] + rest * own[1] @ seed.standard_normal(
            (len(both) - n, N_CLUSTERS)
        )
        values = p_values(section, labels.argmax(axis=1), fields.argmax(axis=1), repeat)
        depth = own[0] @ seed.standard_normal(n)
        both_causes = (labels[:, 0] + depth) / np.sqrt(2)
        values["placed_rho_given_depth"] = p_of_fields(
            section, fields[:, 0], both_causes, depth, repeat
        )
        for name, value in values.items():
            found.setdefault(name, []).append(value <= LEVEL)
    return {name: float(np.mean(values)) for name, values in found.items()}


def rows(section: Section, repeats: int) -> Iterator[dict[str, Any]]:
    """Yield the rates of every setting."""
    settings = [(kind, (a, b), 0.0) for kind, a, b in INDEPENDENT]
    settings += [(kind, (length, length), shared) for kind, length, shared in SHARED]
    for kind, lengths, shared in settings:
        setting = {"kind": kind, "lengths": list(lengths), "shared": shared}
        yield setting | rates(section, kind, lengths, shared, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path("results/bench/placements.json"))
    options = parser.parse_args()
    section = Section()
    print(f"{len(section.spots)} spots, {len(section.tiles)} tiles")  # noqa: T201
    table = []
    for row in rows(section, options.repeats):
        print(row, flush=True)  # noqa: T201
        table.append(row)
    error = float(np.sqrt(LEVEL * (1 - LEVEL) / options.repeats))
    write_json(options.output, {"monte_carlo_error": error, "rates": table})


if __name__ == "__main__":
    main()
