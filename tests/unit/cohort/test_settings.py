"""Analyses as configured, their presets, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from histohet.cohort.settings import AnalysisSettings, Cut, TrimSettings, TwoCuts
from histohet.common.resources import read_resource


def spec(**config: Any) -> AnalysisSettings:
    return AnalysisSettings.model_validate({"name": "main"} | config)


def test_nothing_but_a_name_is_needed() -> None:
    assert spec() == AnalysisSettings(name="main")
    assert spec().score == "n_clusters"
    assert spec().grouping == "quartiles"


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
    assert found.where == {"Subtype": ("A", "B"), "grade": ("1",)}
    assert found.trim == TrimSettings(measure="n_tiles", percentiles=(5, 95))
    assert found.grouping == TwoCuts(low_at_most=0.3, high_above=0.7)
    assert found.covariates[0].name == "age"
    assert found.max_months == 60


def test_the_presets_are_the_published_analyses() -> None:
    assert set(read_resource("analyses")) == {"hetmap_stad", "pathomch_brca", "pathomch_luad"}
    hetmap = AnalysisSettings.model_validate({"preset": "hetmap_stad"})
    assert (hetmap.name, hetmap.score, hetmap.slides) == (
        "hetmap_stad",
        "n_clusters",
        "first_diagnostic",
    )
    assert hetmap.endpoints == ("OS", "DSS", "PFS")
    assert list(hetmap.where.values()) == [("STAD_CIN",), ("M0",)]
    assert hetmap.trim == TrimSettings(measure="n_tiles", percentiles=(5, 95))
    assert hetmap.grouping == "quartiles"
    assert [one.name for one in hetmap.covariates] == ["age", "T", "N"]
    age, t_stage, n_stage = hetmap.covariates
    assert age.drop == ("",)
    assert (t_stage.reference, t_stage.drop) == ("T1-2", ("TX",))
    assert (n_stage.reference, n_stage.drop) == ("N0", ("NX",))
    assert set(n_stage.levels) == {"N0", "N1", "N2", "N3"}
    brca, luad = (
        AnalysisSettings.model_validate({"preset": f"pathomch_{x}"}) for x in ("brca", "luad")
    )
    assert brca.grouping == Cut(cut=0.5)
    assert luad.grouping == TwoCuts(low_at_most=0.3, high_above=0.7)
    assert brca.max_months == luad.max_months == 120
    assert brca.score == luad.score == "trait_hti_possible"


def test_own_keys_stand_over_those_of_the_preset() -> None:
    found = AnalysisSettings.model_validate(
        {"preset": "hetmap_stad", "name": "scaled", "score": "scaled_count", "trim": None}
    )
    preset = AnalysisSettings.model_validate({"preset": "hetmap_stad"})
    assert (found.name, found.score, found.trim) == ("scaled", "scaled_count", None)
    assert (found.where, found.covariates) == (preset.where, preset.covariates)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "a b"}, "'a b' names files: letters"),
        ({"preset": "hetmap"}, "'hetmap' is none of 'hetmap_stad'"),
        ({"scor": "x"}, "unknown key; did you mean score"),
        ({"slides": "last"}, "should be 'first', 'first_diagnostic'"),
        ({"where": {"Subtype": []}}, "(?s)where.Subtype.*at least 1 item"),
        ({"where": {"Subtype": "A"}}, "valid tuple"),
        ({"where": {"smoker": [True]}}, "quotes"),
        ({"trim": {"percentiles": [5, 95]}}, "(?s)trim.measure.*Field required"),
        ({"trim": {"measure": "n_tiles", "percentiles": [95, 5]}}, "must be ordered"),
        ({"grouping": "tertiles"}, "should be 'quartiles', 'median'"),
        ({"max_months": 0}, "(?s)max_months.*greater than 0"),
        ({"covariates": [{"column": "a", "kind": "numeric"}] * 2}, "share a name: 'a', 'a'"),
        ({"covariates": [{"column": "score", "kind": "numeric"}]}, "'score'.* another 'name'"),
        ({"covariates": [{"column": "a"}]}, "(?s)covariates.0.kind.*Field required"),
    ],
)
def test_configuration_errors_say_what_to_change(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(**config)


def test_endpoints_must_be_in_the_tables() -> None:
    assert spec().endpoints_among(["OS", "PFS"]) == ("OS", "PFS")
    assert spec(endpoints=["PFS"]).endpoints_among(["OS", "PFS"]) == ("PFS",)
    with pytest.raises(ValueError, match=r"'main': no clinical table has the endpoint 'DSS'.*'OS'"):
        spec(endpoints=["DSS"]).endpoints_among(["OS"])
    with pytest.raises(ValueError, match="no clinical table has an endpoint: say which"):
        spec().endpoints_among([])
