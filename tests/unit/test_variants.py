"""Variants: what they do otherwise, what they are filed under, what makes no sense."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from histohet.variants import VARIANTS, Variant, encoder_id, read_variants, varied

CONFIG: dict[str, Any] = {
    "encoder": {"name": "uni", "symmetry": "none", "checkpoint": "uni.bin"},
    "epithelium": {"min_coverage": 0.25, "fill": "zero", "classes": [3, 12]},
    "clustering": {"q": 30, "k": 8, "reach": 1.5},
}
NAMES = {"encoder": "uni", "masking": "masked", "procedure": "potts"}


def test_each_variant_changes_one_factor() -> None:
    full = VARIANTS["full"]
    for name, variant in VARIANTS.items():
        changed = sum(
            getattr(variant, factor) != getattr(full, factor)
            for factor in ("masking", "procedure", "tumour_filter", "settings")
        )
        assert changed == (0 if name == "full" else 1)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, {}),
        ({"clustering": {"q": 30}}, {}),
        ({"clustering": {"q": 20, "k": 4}}, {"procedure": "potts_k4_q20"}),
        ({"clustering": {"reach": None}}, {"procedure": "potts_reachNone"}),
        ({"epithelium": {"min_coverage": 0.5}}, {"procedure": "potts_coverage0.5"}),
        ({"epithelium": {"fill": "white"}}, {"masking": "masked_white"}),
        ({"encoder": {"name": "uni", "symmetry": "d4"}}, {"encoder": "uni_d4"}),
        ({"encoder": {"name": "virchow2"}}, {"encoder": "virchow2"}),
    ],
)
def test_files_are_named_by_what_differs(settings: dict[str, Any], names: dict[str, str]) -> None:
    before = deepcopy(CONFIG)
    assert Variant(settings=settings).factors(CONFIG) == NAMES | names
    assert before == CONFIG


def test_sections_stand_in_place_of_the_configured_ones() -> None:
    settings = {"clustering": {"q": 20}, "encoder": {"name": "virchow2"}}
    assert Variant(settings=settings).configured(CONFIG) == {
        "encoder": {"name": "virchow2"},
        "epithelium": CONFIG["epithelium"],
        "clustering": {"q": 20, "k": 8, "reach": 1.5},
    }


def test_a_description_says_what_it_is_like() -> None:
    own = {"name": "mine", "like": "no_potts", "clustering": {"q": 20}}
    found = read_variants(["paper", own])
    assert found == {
        "paper": VARIANTS["paper"],
        "mine": Variant(procedure="unsmoothed", settings={"clustering": {"q": 20}}),
    }


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["full", "full"], "'full' comes twice"),
        ([{"name": "paper", "clustering": {"q": 2}}], "'paper' is a variant of its own"),
        ([{"name": "mine", "like": "no_mask"}], "'mine' is not a known variant and says nothing"),
        ([{"name": "mine", "like": "paper", "clustering": {"q": 2}}], "takes nothing from `clus"),
        ([{"name": "m", "like": "no_mask", "epithelium": {"fill": "none"}}], "'m' encodes whole"),
    ],
)
def test_mistakes_are_named(entries: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_variants(entries)


def test_varied_variants_tell_their_choices() -> None:
    few = Variant(settings={"clustering": {"k": 4}})
    name, variant = varied("few", few, clustering={"q": 20}, epithelium={"min_coverage": 0.5})
    assert name == "few_q20_min_coverage0.5"
    assert variant.settings == {
        "clustering": {"k": 4, "q": 20},
        "epithelium": {"min_coverage": 0.5},
    }


def test_an_average_over_turns_is_another_encoder() -> None:
    assert encoder_id({"name": "uni"}) == encoder_id({"name": "uni", "symmetry": "none"}) == "uni"
    assert encoder_id({"name": "uni", "symmetry": "d4"}) == "uni_d4"
