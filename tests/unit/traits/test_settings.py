"""The section `traits`: what it may say, and what depends on which of its keys."""

from __future__ import annotations

from typing import Any

import pytest

from histohet.config import Config, read_config
from histohet.traits.settings import PatientSettings, TraitSettings

SECTION: dict[str, Any] = {
    "expression": [{"table": "t.tsv", "id": "sample"}],
    "wanted": {"A": "A|1", "miR-17": "hsa-miR-17-5p", "C": "C"},
}

WHOLE: dict[str, Any] = {"model": "inception", "tiles": "whole", "threshold": 0.5}


def config(traits: dict[str, Any] | None = None, **changes: Any) -> Config:
    own = {} if traits is None else {"traits": SECTION | traits}
    return read_config({"slides": "s.tsv"} | own | changes)


def test_all_pairs_are_looked_at_unless_some_are_named() -> None:
    found = config({}).traits
    assert found is not None
    assert found.looked_at == (("A", "miR-17"), ("A", "C"), ("miR-17", "C"))
    assert TraitSettings(**SECTION | {"wanted": {"A": "A"}}).looked_at == (("A",),)
    named = TraitSettings(**SECTION | {"combinations": [["A", "C"], ["C"]]})
    assert named.looked_at == (("A", "C"), ("C",))
    assert "trait_hti_possible_C" in named.scores
    assert "trait_hti_possible_A_C" not in named.scores  # the first has the short names


def test_labels_depend_on_no_key_of_models() -> None:
    one = TraitSettings(**SECTION)
    other = TraitSettings(**SECTION | {"model": "abmil", "threshold": 0.5, "target": "rank"})
    assert one.of_patients == other.of_patients
    assert PatientSettings(**one.of_patients).canonical() == one.of_patients
    assert one.of_models != other.of_models
    assert one.of_models == TraitSettings(**SECTION | {"combinations": [["A"]]}).of_models


def test_the_published_network_is_taken_without_a_word_on_it() -> None:
    one, other = (TraitSettings(**SECTION | WHOLE | own) for own in ({}, {"inception": {}}))
    assert one == other
    assert one.inception is not None
    assert (one.inception.size.mpp, one.inception.tile_px) == (0.5, 512)
    assert TraitSettings(**SECTION).inception is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wanted": {}}, "traits.wanted: must not be empty"),
        ({"wanted": {"A_B": "A"}}, "'A_B' names columns and files"),
        ({"wanted": {"p": "A"}}, "'p' cannot be the name of a trait"),
        ({"combinations": [["A", "D"]]}, r"combinations\[0\]: 'D' is not wanted"),
        ({"combinations": [["A", "mir-17"]]}, "did you mean miR-17"),
        ({"combinations": [["A", "A"]]}, "'A' comes twice"),
        ({"combinations": [["A", "C"], ["C", "A"]]}, r"combinations\[1\]: comes twice"),
        (
            {"wanted": {n: n for n in "ABCDEFG"}, "combinations": [list("ABCDEFG")]},
            "more than 6 traits",
        ),
        ({"site_pattern": "^TCGA-.."}, "needs one group, in"),
        ({"site_pattern": "(("}, "is no regular expression"),
        ({"labels": {"low": 60, "high": 40}}, "traits.labels.low: 60 is above high, 40"),
        ({"scheme": "published", "best": 6}, "traits.best: 6 is more than there are rounds"),
        ({"model": "resnet"}, "'resnet' is none of"),
        ({"model": "inception"}, "traits.tiles: `inception` sees all of a tile"),
        (WHOLE | {"threshold": "matched"}, "traits.threshold: `inception` takes a number"),
        (WHOLE | {"inception": {"part": 20}}, "inception.part: 144 tiles cannot be dealt"),
        (WHOLE | {"inception": {"tile_px": 64}}, "traits.inception.tile_px"),
        (WHOLE | {"inception": {"tile_um": 0}}, "traits.inception.tile_um"),
        (WHOLE | {"inception": {"patiense": 3}}, "did you mean patience"),
        ({"inception": {}}, "traits.inception: `model: linear` takes nothing from it"),
        ({"threshold": 1.5}, "traits.threshold"),
        ({"expression": [{"table": "t.tsv"}]}, r"traits.expression\[0\].id: is missing"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(changes)


@pytest.mark.parametrize(
    ("traits", "score", "message"),
    [
        ({}, "trait_positive_B", "no 'trait_positive_B'; did you mean trait_positive_"),
        ({}, "trait_hti_possible_A_miR-17", "no 'trait_hti_possible_A_miR-17'"),
        (None, "expression_A", "there is no section `traits`"),
        (None, "n_cluster", "did you mean n_clusters"),
    ],
)
def test_scores_are_those_of_the_traits(
    traits: dict[str, Any] | None, score: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        config(traits, analyses=[{"name": "main", "score": score}])


def test_scores_of_traits_can_be_analysed() -> None:
    names = (
        "trait_hti_excess",
        "trait_hta_p",
        "trait_hta_A_C",
        "expression_miR-17",
        "trait_positive_A",
    )
    found = config({}, analyses=[{"name": f"a{n}", "score": s} for n, s in enumerate(names)])
    assert [one.score for one in found.analyses] == list(names)
