"""Analyses as configured, their presets, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from histohet.cohort.analyses import PRESETS, AnalysisSpec, Trim, read_analyses
from histohet.cohort.grouping import Grouping


def spec(**config: Any) -> AnalysisSpec:
    return AnalysisSpec.from_config({"name": "main"} | config)


def test_nothing_but_a_name_is_needed() -> None:
    assert spec() == AnalysisSpec("main")
    assert spec().score == "n_clusters"
    assert spec().grouping == Grouping("quartiles")


def test_everything_is_read() -> None:
    found = spec(
        score="hta",
        endpoints=["OS", "DSS"],
        slides="mean",
        where={"Subtype": ["A", "B"], "grade": [1]},
        trim={"measure": "n_tiles"},
        grouping={"low_at_most": 0.3, "high_above": 0.7},
        covariates=[{"column": "age", "kind": "numeric"}],
        max_months=60,
    )
    assert found.where == (("Subtype", ("A", "B")), ("grade", ("1",)))
    assert found.filter_columns == ("Subtype", "grade")
    assert found.trim == Trim("n_tiles", (5, 95))
    assert found.grouping == Grouping("cut", 0.3, 0.7)
    assert found.covariates[0].name == "age"
    assert found.max_months == 60


def test_the_presets_are_the_published_analyses() -> None:
    assert set(PRESETS) == {"hetmap_stad", "pathomch_brca", "pathomch_luad"}
    hetmap = AnalysisSpec.from_config({"preset": "hetmap_stad"})
    assert (hetmap.name, hetmap.score, hetmap.slides) == (
        "hetmap_stad",
        "n_clusters",
        "first_diagnostic",
    )
    assert hetmap.endpoints == ("OS", "DSS", "PFS")
    assert [values for _, values in hetmap.where] == [("STAD_CIN",), ("M0",)]
    assert hetmap.trim == Trim("n_tiles", (5, 95))
    assert hetmap.grouping == Grouping("quartiles")
    assert [one.name for one in hetmap.covariates] == ["age", "T", "N"]
    age, t_stage, n_stage = hetmap.covariates
    assert age.drop == ("",)
    assert (t_stage.reference, t_stage.drop) == ("T1-2", ("TX",))
    assert (n_stage.reference, n_stage.drop) == ("N0", ("NX",))
    assert set(n_stage.levels) == {"N0", "N1", "N2", "N3"}
    brca, luad = (AnalysisSpec.from_config({"preset": f"pathomch_{x}"}) for x in ("brca", "luad"))
    assert brca.grouping == Grouping("cut", 0.5, 0.5)
    assert luad.grouping == Grouping("cut", 0.3, 0.7)
    assert brca.max_months == luad.max_months == 120
    assert brca.score == luad.score == "trait_hti_possible"


def test_own_keys_stand_over_those_of_the_preset() -> None:
    found = AnalysisSpec.from_config(
        {"preset": "hetmap_stad", "name": "scaled", "score": "scaled_count", "trim": None}
    )
    preset = AnalysisSpec.from_config({"preset": "hetmap_stad"})
    assert (found.name, found.score, found.trim) == ("scaled", "scaled_count", None)
    assert (found.where, found.covariates) == (preset.where, preset.covariates)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "a b"}, "analysis 'a b'.* letters"),
        ({"preset": "hetmap"}, "'hetmap' is not one of hetmap_stad"),
        ({"scor": "x"}, "analysis 'main': it has no key 'scor'"),
        ({"slides": "last"}, "'last' is not a rule for several slides: first"),
        ({"where": {"Subtype": []}}, "'Subtype' keeps nobody"),
        ({"where": {"Subtype": "A"}}, "must be a list"),
        ({"where": {"smoker": [True]}}, "quotes"),
        ({"trim": {"percentiles": [5, 95]}}, "'trim' lacks 'measure'"),
        ({"trim": {"measure": "n_tiles", "percentiles": [95, 5]}}, "must be ordered"),
        ({"grouping": "tertiles"}, "'tertiles' is not one of quartiles"),
        ({"max_months": 0}, "max_months must be positive"),
        ({"covariates": [{"column": "a", "kind": "numeric"}] * 2}, "share a name: 'a', 'a'"),
        ({"covariates": [{"column": "a"}]}, "a covariate lacks 'kind'"),
    ],
)
def test_configuration_errors_say_what_to_change(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(**config)


def test_names_are_unique() -> None:
    assert list(read_analyses([{"name": "a"}, {"preset": "hetmap_stad"}])) == ["a", "hetmap_stad"]
    with pytest.raises(ValueError, match="two analyses are called 'hetmap_stad'"):
        read_analyses([{"preset": "hetmap_stad"}] * 2)
    with pytest.raises(ValueError, match="analysis ''"):
        read_analyses([{}])


def test_endpoints_must_be_in_the_tables() -> None:
    assert spec().endpoints_among(["OS", "PFS"]) == ("OS", "PFS")
    assert spec(endpoints=["PFS"]).endpoints_among(["OS", "PFS"]) == ("PFS",)
    with pytest.raises(ValueError, match=r"'main': no clinical table has the endpoint 'DSS'.*'OS'"):
        spec(endpoints=["DSS"]).endpoints_among(["OS"])
    with pytest.raises(ValueError, match="there are none"):
        spec().endpoints_among([])
