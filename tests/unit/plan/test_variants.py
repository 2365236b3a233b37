"""Variants: what they do otherwise, what they are filed under, what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.planning import CLINICAL
from histohet.config import Config, read_config, varied
from histohet.encoders.settings import EncoderSettings
from plan.interface import PlanError
from plan.variants import VARIANTS, Variant, Variants, combined, encoder_id, read_variants

NAMES = {"encoder": "stain_texture", "masking": "masked", "procedure": "potts"}


def config(**changes: Any) -> Config:
    return read_config({"slides": "slides.tsv"} | changes)


CONFIG = config()


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
        ({"clustering": {"q": 20}}, {}),
        ({"clustering": {"q": 30, "k": 4}}, {"procedure": "potts_k4_q30"}),
        ({"clustering": {"reach": None}}, {"procedure": "potts_reachNone"}),
        ({"epithelium": {"min_coverage": 0.5}}, {"procedure": "potts_coverage0.5"}),
        ({"epithelium": {"fill": "white"}}, {"masking": "masked_white"}),
        (
            {"encoder": {"name": "stain_texture", "symmetry": "d4"}},
            {"encoder": "stain_texture_d4"},
        ),
        ({"encoder": {"name": "virchow2"}}, {"encoder": "virchow2"}),
    ],
)
def test_files_are_named_by_what_differs(settings: dict[str, Any], names: dict[str, str]) -> None:
    own = varied(CONFIG, settings)
    assert Variant(settings=settings).factors(CONFIG, own) == NAMES | names


def test_a_description_says_what_it_is_like() -> None:
    own = {"name": "mine", "like": "no_potts", "clustering": {"q": 20}}
    found = read_variants(config(variants=["paper", own]).variants)
    assert found == {
        "paper": VARIANTS["paper"],
        "mine": Variant(procedure="unsmoothed", settings={"clustering": {"q": 20}}),
    }


@pytest.mark.parametrize(
    ("entries", "message"),
    [
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
    with pytest.raises(PlanError, match=message):
        Variants(config(variants=entries))


def test_every_combination_of_settings_has_a_name_that_tells_it() -> None:
    few = Variant(settings={"clustering": {"k": 1}})
    found = combined({"few": few}, {"q": [20, 30], "min_coverage": [0.5]})
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
    found = combined({name: VARIANTS[name] for name in ("paper", "no_mask")}, grid)
    assert list(found) == [
        "paper_min_coverage0.25",
        "paper_min_coverage0.5",
        "no_mask_q20",
        "no_mask_q30",
    ]
    assert found["no_mask_q20"][1] == {"variant": "no_mask", "q": "20", "min_coverage": "–"}
    assert combined({"full": VARIANTS["full"]}, {}) == {
        "full": (VARIANTS["full"], {"variant": "full"})
    }


def test_an_average_over_turns_and_a_layer_are_other_encoders() -> None:
    assert encoder_id(EncoderSettings(name="uni")) == "uni"
    assert encoder_id(EncoderSettings(name="uni", symmetry="d4")) == "uni_d4"
    chosen = EncoderSettings(name="efficientnet_lite0", layer="mid", symmetry="d4")
    assert encoder_id(chosen) == "efficientnet_lite0_mid_d4"


def test_two_combinations_of_one_name_are_refused() -> None:
    variants = {"a": VARIANTS["no_mask"], "a_q20": VARIANTS["paper"]}
    with pytest.raises(ValueError, match="are called 'a_q20'"):
        combined(variants, {"q": [20]})


def test_variants_share_what_they_do_not_change() -> None:
    found = Variants(config(variants=["full", {"name": "few", "clustering": {"q": 5}}]))
    assert found.configured == ["full", "few"]
    assert found["few"].config.clustering.q == 5
    assert found["few"].tiles == found["full"].tiles
    assert set(found.procedures) == {"potts", "unsmoothed", "paper", "potts_q5"}
    assert set(found.maskings) == {"masked", "whole"}
    assert set(found.encoders) == {"stain_texture"}


def test_tiles_are_encoded_for_the_variant_content_with_least_epithelium() -> None:
    loose = {"name": "loose", "epithelium": {"min_coverage": 0.1}}
    assert Variants(config()).encoded_coverage == 0.25
    assert Variants(config(variants=["full", loose])).encoded_coverage == 0.1


def test_what_is_pooled_is_not_of_slides() -> None:
    pooled = {"name": "together", "pooled": True}
    found = Variants(config(variants=["paper", pooled]))
    assert found.of_slides == ["paper"]
    assert found["together"].factors["procedure"] == "potts_pooled"


def test_a_curve_measures_by_variants_of_its_own() -> None:
    curve = {"q": [20, 30], "variants": ["full"]}
    found = Variants(config(**CLINICAL, specification_curve=curve))
    assert list(found.curve) == ["full_q20", "full_q30"]
    assert found["full_q30"].factors["procedure"] == "potts_q30"
    assert found["full_q20"].factors == found["full"].factors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": ["absent"]}, "variants: 'absent' is no variant, there are full"),
        ({"variants": ["full", "same"]}, "'full' and 'same' measure slides alike"),
        ({"variants": ["full"], "q": [20]}, "so is a variant of the specification curve called"),
    ],
)
def test_mistakes_of_a_curve_are_named(changes: dict[str, Any], message: str) -> None:
    own = [
        {"name": "same", "clustering": {"q": 20}},
        {"name": "full_q20", "clustering": {"q": 10}},
    ]
    with pytest.raises(PlanError, match=message):
        Variants(config(**CLINICAL, variants=own, specification_curve=changes))


def test_encoders_of_one_name_must_be_one() -> None:
    encoders = [
        {"name": name, "encoder": {"name": "mine", "kind": "stain_texture", "checkpoint": name}}
        for name in ("a", "b")
    ]
    with pytest.raises(PlanError, match="its encoder has the name of another one, 'mine'"):
        Variants(config(variants=encoders))
