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
        (
            [{"name": "m", "like": "no_mask", "epithelium": {"fill": "none"}}],
            "takes nothing from `epith",
        ),
    ],
)
def test_mistakes_are_named(entries: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_variants(entries)


def test_every_combination_of_settings_has_a_name_that_tells_it() -> None:
    few = Variant(settings={"clustering": {"k": 1}})
    found = varied({"few": few}, {"q": [20, 30], "min_coverage": [0.5]})
    assert list(found) == ["few_q20_min_coverage0.5", "few_q30_min_coverage0.5"]
    variant, words = found["few_q20_min_coverage0.5"]
    assert variant.settings == {
        "clustering": {"k": 1, "q": 20},
        "epithelium": {"min_coverage": 0.5},
    }
    assert words == {"variant": "few", "q": "20", "min_coverage": "0.5"}
    assert few.settings == {"clustering": {"k": 1}}


def test_settings_without_effect_are_not_varied() -> None:
    grid = {"q": [20, 30], "min_coverage": [0.25, 0.5]}
    found = varied({name: VARIANTS[name] for name in ("paper", "no_mask")}, grid)
    assert list(found) == [
        "paper_min_coverage0.25",
        "paper_min_coverage0.5",
        "no_mask_q20",
        "no_mask_q30",
    ]
    assert found["no_mask_q20"][1] == {"variant": "no_mask", "q": "20", "min_coverage": "–"}
    assert varied({"full": VARIANTS["full"]}, {}) == {
        "full": (VARIANTS["full"], {"variant": "full"})
    }


def test_an_average_over_turns_is_another_encoder() -> None:
    assert encoder_id({"name": "uni"}) == encoder_id({"name": "uni", "symmetry": "none"}) == "uni"
    assert encoder_id({"name": "uni", "symmetry": "d4"}) == "uni_d4"


def test_two_combinations_of_one_name_are_refused() -> None:
    variants = {"a": VARIANTS["no_mask"], "a_q20": VARIANTS["paper"]}
    with pytest.raises(ValueError, match="are called 'a_q20'"):
        varied(variants, {"q": [20]})
