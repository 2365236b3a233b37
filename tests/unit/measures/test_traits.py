"""Trait maps: what is read and refused, and how mixtures of traits are measured."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logit

from helpers.lattices import lattice
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.measures.heterogeneity import hta, trait_hti
from histohet.measures.traits import (
    NO_POSITIVE_TILE,
    TRAIT_MEASURES,
    TraitMap,
    combination_shares,
    read_trait_map,
    soft_hti,
    trait_measures,
    write_trait_map,
)
from histohet.tiles.file import TileTable


def test_trait_maps(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\tMKI67\tmiR-17\n0\t0\t1\t0.0\n512\t0\t1\t1.0\n1024\t0\t0\t0.\n")
    found = read_trait_map(path, (1025, 100))
    assert found.names == ("MKI67", "miR-17")
    np.testing.assert_array_equal(found.votes, [[True, False], [True, True], [False, False]])
    np.testing.assert_array_equal(found.coords, [[0, 0], [512, 0], [1024, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\ty\n0\t0\n", "at least one trait"),
        ("x\tA\n0\t1\n", "columns x, y"),
        ("x\ty\tA\n", "has no rows"),
        ("x\ty\tA\n0\t0\t1\n5\t0\t0.4\n", r"row 3: A is '0\.4', it must be 0 or 1"),
        ("x\ty\tA\n0\t0\t\n", "row 2: A is ''"),
        ("x\ty\tA\n0\t0\t1\n0\twest\t1\n", "row 3: y is 'west', not a position"),
        ("x\ty\tA\n0\t0\t1\nnan\t0\t1\n", "row 3: x is 'nan', not a position"),
        ("x\ty\tA\n0\t0\t1\n0.5\t0\t1\n", r"row 3: x is '0\.5', not a position"),
        ("x\ty\tA\tB\n0\t0\t1\t0\n0.0\t0\t1\t1\n", r"\(0, 0\) stands twice, with diff"),
        ("x\ty\tA\n0\t0\t1\n900\t0\t1\n", r"1 of 2 tiles lie outside the slide of 900 × 50 px"),
    ],
)
def test_unusable_trait_maps(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_trait_map(tmp_path / "a.tsv", (900, 50))
    with pytest.raises(ValueError, match="does not exist"):
        read_trait_map(tmp_path / "b.tsv")


def test_a_tile_that_stands_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\tA\n512\t0\t1\n0\t0\t0\n512.0\t0\t1\n")
    np.testing.assert_array_equal(read_trait_map(path).votes, [[True], [False]])


def made(votes: np.ndarray, **changes: object) -> TraitMap:
    names = tuple("ABCDEF"[: votes.shape[1]])
    coords = lattice(1, len(votes), 10)
    return replace(TraitMap(names, coords, votes), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", [OK, Outcome(Status.NO_TISSUE, "white")])
def test_our_own_maps_come_back(tmp_path: Path, outcome: Outcome) -> None:
    n = 5 if outcome.ok else 0
    rng = np.random.default_rng(1)
    one = made(
        rng.random((n, 2)) > 0.5,
        logits=rng.normal(size=(n, 2)).astype(np.float32),
        outcome=outcome,
        unseen={"A": True, "B": False},
        expression={"A": 2.5, "B": math.nan},
    )
    tiles = TileTable(one.coords, {"name": "s", "mpp": 0.5}, outcome)
    write_trait_map(tmp_path / "m.h5", one, tiles, np.arange(n), {"fold": 2}, Provenance())
    found = read_trait_map(tmp_path / "m.h5")
    for name in ("coords", "votes", "logits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(one, name))
    assert (found.names, found.outcome, found.unseen) == (one.names, outcome, one.unseen)
    assert found.expression["A"] == 2.5
    assert math.isnan(found.expression["B"])


probabilities = arrays(
    float, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.floats(0, 1)
)


@given(probabilities)
def test_shares_of_combinations_by_brute_force(values: np.ndarray) -> None:
    expected = []
    for combination in product((0, 1), repeat=values.shape[1]):
        chance = [
            math.prod(p if there else 1 - p for p, there in zip(tile, combination, strict=True))
            for tile in values
        ]
        expected.append(sum(chance) / len(values))
    any_trait = np.array(expected[1:])
    if any_trait.sum() > 1e-9:
        np.testing.assert_allclose(combination_shares(values), any_trait / any_trait.sum())


@given(arrays(bool, st.tuples(st.integers(0, 30), st.integers(1, 4))))
def test_soft_is_hard_where_nothing_is_in_doubt(votes: np.ndarray) -> None:
    assert soft_hti(votes.astype(float)) == pytest.approx(trait_hti(votes), abs=1e-12)


def test_independent_traits_have_the_heterogeneity_of_their_shares() -> None:
    """HTI of two traits is mostly a function of their shares."""
    for shares, expected in (((0.5, 0.5), 1.0), ((0.9, 0.85), 0.62), ((0.2, 0.2), 0.88)):
        assert soft_hti(np.array([shares])) == pytest.approx(expected, abs=0.006)


def test_a_combination_is_measured() -> None:
    """The example of PathoMCH: one tile of each kind is as mixed as can be."""
    one = made(np.array([[0, 1], [1, 1], [1, 0], [0, 0]], bool))
    row = trait_measures(one, [["A", "B"]], 20.0, 1)
    assert (row["traits"], row["trait_status"], row["trait_n_positive"]) == ("A, B", "ok", 3)
    assert row["trait_hti_possible"] == pytest.approx(1)
    assert (row["trait_positive_A"], row["trait_positive_B"]) == (0.5, 0.5)
    # Shares of a half each give all three kinds alike, too: nothing is left to explain.
    assert row["trait_hti_excess"] == pytest.approx(0)
    assert "trait_hti_soft" not in row
    codes, coords = np.array([2, 3, 1]), one.coords[:3]
    assert (row["trait_hta"], row["trait_hta_p"]) == hta(codes, coords, 20.0, 3, 999, 1)
    soft = trait_measures(replace(one, logits=logit(np.full((4, 2), 0.5, np.float32))), [], 20.0, 1)
    assert soft["trait_hti_soft"] == pytest.approx(1)


def test_nothing_positive_is_no_homogeneity() -> None:
    nothing = trait_measures(made(np.zeros((4, 2), bool)), [], 20.0, 1)
    assert nothing["trait_status"] == NO_POSITIVE_TILE
    assert nothing["trait_n_positive"] == 0
    assert nothing["trait_positive_A"] == 0
    assert not any(f"trait_hti_{base}" in nothing for base in ("possible", "observed"))
    alike = trait_measures(made(np.array([[1, 0]] * 4, bool)), [], 20.0, 1)
    assert (alike["trait_status"], alike["trait_hti_possible"], alike["trait_hta"]) == ("ok", 0, 0)


def test_a_slide_without_a_map_says_why_and_keeps_what_was_measured_in_bulk() -> None:
    lost = Outcome(Status.NO_TISSUE, "white")
    one = made(np.zeros((0, 2), bool), outcome=lost, expression={"A": 3.0, "B": math.nan})
    row = trait_measures(one, [], None, 1)
    assert row == {
        "traits": "A, B",
        "trait_status": "no map: white",
        "expression_A": 3.0,
        "expression_B": None,
    }


def test_further_combinations_have_columns_of_their_own() -> None:
    rng = np.random.default_rng(2)
    unseen = {"A": True, "B": True, "C": False}
    one = made(rng.random((50, 3)) > 0.5, unseen=unseen)
    row = trait_measures(one, [["A", "B"], ["C"], ["A", "B", "C"]], 30.0, 1)
    assert (row["trait_unseen"], row["trait_unseen_C"], row["trait_unseen_A_B_C"]) == (
        *(True, False, False),
    )
    assert {name: row[f"unseen_{name}"] for name in one.names} == unseen
    assert row["trait_hti_possible"] == trait_hti(one.votes[:, :2])
    assert row["trait_hti_possible_C"] == row["trait_hta_C"] == 0
    assert row["trait_hti_possible_A_B_C"] == trait_hti(one.votes)
    assert row["trait_n_positive_C"] == one.votes[:, 2].sum()
    assert set(TRAIT_MEASURES) - {"hti_soft"} <= {
        name.removeprefix("trait_") for name in row if not name.endswith(("_C", "_A", "_B"))
    }


def test_maps_without_the_wanted_traits_are_looked_at_whole() -> None:
    one = made(np.array([[1, 0], [0, 1]], bool))
    assert trait_measures(one, [["A", "Z"]], None, 1)["traits"] == "A, B"
