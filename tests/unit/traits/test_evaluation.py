"""From maps to Table 1, its baselines, groups of patients, and the pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers.traits import Planted, planted, settings
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.features.file import FeatureTable, feature_file, open_features
from histohet.measures.traits import TraitMap
from histohet.tiles.file import TileTable
from histohet.traits.baselines import colour_of, learned_scores, site_scores
from histohet.traits.cohort import TraitCohort
from histohet.traits.control_figures import draw_controls
from histohet.traits.controls import (
    bulk_groups,
    compare_groups,
    hti_by_patient,
    hti_given_shares,
)
from histohet.traits.evaluation import MODEL, SITE, patient_table, slide_scores, table_one
from histohet.traits.figures import (
    combination_codes,
    combination_colour,
    combination_words,
    draw_roc,
    draw_score_distributions,
    draw_trait_map,
    roc_curve,
    tile_objects,
)
from histohet.traits.linear import fit_linear
from histohet.traits.maps import known_of, map_table, map_traits
from histohet.traits.models import FoldModel, LinearHeads, TraitModel
from histohet.traits.settings import TraitSettings
from histohet.traits.training import train_trait

MODEL_OF_A = TraitModel(
    "A", "linear", "e", {1: FoldModel(LinearHeads(np.ones((1, 3)), np.zeros(1)), np.zeros(1))}
)
ATTRIBUTES = {"name": "s", "mpp": 0.5, "side_level0_px": 10.0, "level0_width": 400}


def features(folder: Path, rows: np.ndarray, outcome: Outcome = OK) -> Path:
    path = folder / "f.h5"
    coords = np.stack([np.arange(len(rows)) * 10, np.zeros(len(rows), int)], axis=1)
    tiles = TileTable(coords, ATTRIBUTES, outcome)
    index = np.arange(len(rows))
    with feature_file(path, tiles, index, rows.shape[1], "e", Provenance()) as file:
        file.append(rows.astype(np.float32))
    return path


def mapped(table: FeatureTable, outcome: Outcome = OK) -> TraitMap:
    splits = pd.DataFrame({"patient": ["p"], "fold": [1]})
    row = {"patient": "p", "trait": "A", "label": "low", "value": 2.5}
    return map_traits(
        table, [MODEL_OF_A], known_of("p", pd.DataFrame([row]), splits, settings()), outcome
    )


def test_a_slide_is_mapped_in_the_rows_of_its_tiles(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(9000, 3))  # more than a chunk
    with open_features(features(tmp_path, rows)) as table:
        found = mapped(table)
        some = mapped(table.only(np.array([3, 5])))
    np.testing.assert_allclose(found.logits[:, 0], rows.astype(np.float32).sum(1), atol=1e-6)
    np.testing.assert_array_equal(found.votes[:, 0], found.logits[:, 0] > 0)
    np.testing.assert_array_equal(some.coords[:, 0], [30, 50])
    assert (found.unseen, found.expression) == ({"A": True}, {"A": 2.5})
    table = map_table(some)
    assert list(table) == ["x", "y", "A"]
    assert set(table["A"]) <= {0, 1}


@pytest.mark.parametrize(
    ("rows", "outcome", "words"),
    [
        (np.ones((4, 5)), OK, "takes 3 numbers per tile, these have 5"),
        (np.full((4, 3), np.inf), OK, "not finite"),
        (np.ones((0, 3)), OK, "no tile counts"),
        (np.ones((0, 1)), Outcome(Status.NO_TISSUE, "white"), "white"),
    ],
)
def test_a_slide_that_cannot_be_mapped_says_why(
    tmp_path: Path, rows: np.ndarray, outcome: Outcome, words: str
) -> None:
    with open_features(features(tmp_path, rows, outcome)) as table:
        found = mapped(table, outcome)
    assert not found.outcome.ok
    assert words in found.outcome.reason
    assert len(found.coords) == len(found.votes) == 0


@pytest.mark.parametrize(
    ("scheme", "target", "fold", "label", "unseen"),
    [
        ("cross_fitted", "extremes", 3, "low", True),
        ("published", "extremes", 1, "low", True),
        ("published", "extremes", 0, "low", False),
        ("published", "extremes", 0, "middle", True),
        ("published", "rank", 0, "middle", False),
        ("published", "rank", 0, "none", True),
    ],
)
def test_whom_models_have_not_seen(
    scheme: str, target: str, fold: int, label: str, unseen: bool
) -> None:
    splits = pd.DataFrame({"patient": ["q", "p"], "fold": [2, fold]})
    labels = pd.DataFrame([{"patient": "p", "trait": "A", "label": label, "value": math.nan}])
    found = known_of("p", labels, splits, settings(scheme=scheme, target=target))
    assert found.unseen == {"A": unseen}
    assert found.fold == max(fold, 1)


def run(one: Planted, values: np.ndarray, of: TraitSettings) -> tuple[TraitCohort, pd.DataFrame]:
    """Label, train and map a cohort; its slides are called as its patients."""
    cohort = one.cohort(values, of)
    model = train_trait("A", one.slides, *cohort[:3], of, "e", fit_linear)
    maps = []
    for patient, tiles in zip(one.patients, one.tiles, strict=True):
        known = known_of(patient, cohort.labels, cohort.splits, of)
        found = model.folds[known.fold].tile_scores(tiles)
        logits = found.logit[:, None].astype(np.float32)
        coords = np.zeros((len(tiles), 2), int)
        one_map = TraitMap(("A",), coords, found.vote[:, None], logits, OK, known.unseen)
        maps.append((f"s{patient}", patient, one_map))
    lost = TraitMap(
        ("A",), coords[:0], found.vote[:0, None], logits[:0], Outcome(Status.NO_TISSUE, "x")
    )
    return cohort, slide_scores([*maps, ("lost", one.patients[0], lost)], *cohort[::2][:2], of)


@pytest.mark.parametrize("scheme", ["cross_fitted", "published"])
def test_table_one(scheme: str) -> None:
    one, of = planted(150, 60, 6, 1, effect=3), settings(scheme=scheme, wanted={"A": "MKI67|4288"})
    cohort, scores = run(one, one.share + 0.05 * np.random.default_rng(1).normal(size=150), of)
    assert len(scores) == 150
    assert scores["n_tiles"].eq(60).all()
    patients = list(scores["patient"])
    noise = np.random.default_rng(2).normal(size=(150, 1))
    learned = learned_scores(noise, patients, "A", *cohort[:3], of)
    table = table_one(scores, {"noise": scores.assign(score=learned)}, of.wanted)
    rows = table.set_index(["by", "set", "unit"])
    test = rows.loc[(MODEL, "test", "patient")]
    assert test["auc"] > 0.9
    assert test["lower"] < test["auc"] <= test["upper"]
    assert rows.loc[("noise", "test", "patient"), "auc"] < 0.75
    assert test["published_brca"] == "0.74 (0.53–0.87), vote 0.87"
    assert rows.loc[(MODEL, "near", "patient"), "published_brca"] == "0.72"
    assert test["published_luad"] == ""
    # A slide per patient: both units are the same.
    assert rows.loc[(MODEL, "test", "slide"), "auc"] == pytest.approx(test["auc"])
    if scheme == "published":
        tested = scores[(scores["fold"] == 1) & scores["label"].isin(["low", "high"])]
        assert test["n_low"] + test["n_high"] == len(tested)
        np.testing.assert_array_equal(scores["score"], scores["positive_share"])
    else:
        assert test["n_low"] + test["n_high"] == scores["label"].isin(["low", "high"]).sum()
        assert rows.loc[(MODEL, "all between", "patient"), "spearman"] > 0.7
        assert test["spearman_q"] == pytest.approx(test["spearman_p"])


def test_scores_of_a_patient_are_the_mean_of_its_slides() -> None:
    _, scores = run(planted(100, 20, 3, 2), planted(100, 20, 3, 2).share, settings())
    twice = pd.concat([scores, scores.assign(score=scores["score"] + 2)])
    found = patient_table(twice)
    np.testing.assert_allclose(found["score"], scores["score"] + 1)


def test_sites_tell_by_their_other_patients() -> None:
    sites = np.array(["a", "a", "a", "b", "b", "c"], dtype=object)
    high = np.array([True, True, False, False, False, True])
    np.testing.assert_allclose(site_scores(sites, high), [0.5, 0.5, 1, 0, 0, 0.4])
    assert SITE.startswith("site alone")


def test_colour_is_that_of_tissue_alone() -> None:
    picture = np.full((10, 10, 3), 255, np.uint8)
    np.testing.assert_array_equal(colour_of(picture), np.zeros(6))
    picture[:5] = (100, 50, 150)
    found = colour_of(picture)
    np.testing.assert_allclose(found[:3], -np.log((np.array([100, 50, 150]) + 1) / 256))
    np.testing.assert_allclose(found[3:], 0, atol=1e-12)


# groups -------------------------------------------------------------------------------------------


def slides_table(n: int, **columns: Any) -> pd.DataFrame:
    fixed = {"patient": [f"p{i}" for i in range(n)], "status": "ok"}
    return pd.DataFrame(fixed | columns)


def test_groups_are_compared_as_they_are_and_given_the_shares() -> None:
    """Against R: wilcox.test(c(1,2,3,4)/10, c(5,6,7,8)/10)$p.value = 0.02857 (exact)."""
    hti = np.arange(1, 9) / 10
    slides = slides_table(
        8, trait_hti_possible=hti, trait_hti_excess=[0.1, -0.1] * 4, trait_positive_A=hti
    )
    table = hti_by_patient(slides, "", ["A"])
    group = pd.Series(["low"] * 4 + ["high"] * 4, index=table.index)
    small = pd.Series(["x"] * 6 + ["y"] * 2, index=table.index)
    found = compare_groups(table, {"level": group, "few": small}).set_index("groups")
    assert found.loc["level", "p"] == pytest.approx(0.028571, abs=1e-6)
    assert found.loc["level", "q"] == found.loc["level", "p"]
    assert found.loc["level", "p_given_shares"] > 0.5
    assert found.loc["few", "reason"] == "fewer than two groups of 3 patients"
    assert draw_controls(table, {"level": group, "few": small}, found.reset_index()).axes


def test_bulk_levels_alone_and_together() -> None:
    labels = pd.DataFrame(
        {
            "patient": ["p", "q", "r", "s"] * 2,
            "trait": ["A"] * 4 + ["B"] * 4,
            "label": ["low", "high", "low", "near", "low", "high", "high", "high"],
        }
    )
    found = bulk_groups(labels, ["A", "B"])
    assert found["bulk A"].tolist() == ["low", "high", "low", ""]
    assert found["bulk, together"].tolist() == ["all low", "all high", "low and high", ""]


def test_heterogeneity_beside_its_shares() -> None:
    rng = np.random.default_rng(3)
    share, own = rng.normal(size=(2, 400))
    time = rng.exponential(np.exp(-share))
    slides = slides_table(
        400, trait_hti_possible=share + 0.5 * own, trait_hti_excess=own, trait_positive_A=share
    )
    hti = hti_by_patient(slides, "", ["A"])
    outcome = pd.DataFrame({"time_months": time, "event": 1.0}, index=hti.index)
    found = hti_given_shares(hti, {"OS": outcome}, ["A"]).set_index(["model", "term"])
    assert found.loc[("HTI", "hti"), "p"] < 1e-6
    assert found.loc[("HTI and shares", "hti"), "p"] > 0.01
    assert found.loc[("HTI and shares", "A"), "hazard_ratio"] > 2


# pictures -----------------------------------------------------------------------------------------


def test_a_combination_has_its_colour_whichever_others_there_are() -> None:
    """PathoMCH's changed colours where no tile has both traits."""
    assert combination_colour(0, 2) == (208, 208, 208)
    first, second, both = (combination_colour(code, 2) for code in (1, 2, 3))
    assert both == tuple(round((a + b) / 2) for a, b in zip(first, second, strict=True))
    assert combination_colour(1, 6) == first
    votes = np.array([[True, False], [False, True], [True, True], [False, False]])
    codes = combination_codes(votes)
    assert [combination_words(code, ["A", "B"]) for code in codes] == [
        "A",
        "B",
        "A + B",
        "no trait",
    ]


def test_maps_are_drawn_and_go_to_qupath() -> None:
    rng = np.random.default_rng(4)
    coords = np.stack([np.arange(30) % 6 * 10 + 50, np.arange(30) // 6 * 10 + 50], axis=1)
    logits = rng.normal(size=(30, 2)).astype(np.float32)
    found = TraitMap(("A", "B"), coords, logits > 0, logits)
    tiles = TileTable(coords, ATTRIBUTES, OK)
    measures = {"trait_hti_possible": 0.5, "trait_hta": 0.25, "trait_hta_p": 0.01}
    thumbnail = np.full((300, 400, 3), 240, np.uint8)
    figure = draw_trait_map("s", thumbnail, tiles, found, ["B", "A"], measures)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "H&E"
    assert titles[1].startswith("B: ")
    assert titles[3] == "HTI 0.50, HTA 0.25 (p 0.01)"
    objects = list(tile_objects(found, np.arange(30) + 7, ["B", "A"]))
    assert objects[0].index == 7
    for one, votes in zip(objects, found.votes, strict=True):
        assert one.class_name == (
            " + ".join(n for n, v in (("B", votes[1]), ("A", votes[0])) if v) or "no trait"
        )
        assert set(one.measurements) == {"probability of A", "probability of B"}


def test_figures_of_scores() -> None:
    _, scores = run(planted(100, 20, 3, 5), planted(100, 20, 3, 5).share, settings())
    assert len(draw_score_distributions(scores, "mean logit").axes) == 1
    assert draw_score_distributions(scores.iloc[:0], "mean logit").axes
    table = table_one(scores, {}, {"A": "A"})
    judged = patient_table(scores[scores["label"].isin(["low", "high"])])
    tested = table[(table["set"] == "test") & (table["unit"] == "patient")]
    assert draw_roc(judged, tested).axes
    grid, share, n = roc_curve(judged)
    assert n == tested["n_high"].iloc[0]
    assert (np.diff(share) >= 0).all()
    assert share[-1] == 1
    assert grid[0] == 0
