"""Settings: what is taken, what is refused, and in which words."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from histohet.common.settings import (
    Code,
    FilePath,
    Name,
    Settings,
    Several,
    by_value,
    explain,
)


class Tiles(Settings):
    tile_um: float = Field(112, gt=0)
    tile_px: int = Field(224, ge=16)
    overlap_um: float = 0

    @model_validator(mode="after")
    def _something_is_left(self) -> Tiles:
        if self.overlap_um >= self.tile_um:
            raise ValueError("nothing is left")
        return self


class Cut(Settings):
    cut: float


class Cuts(Settings):
    low: float
    high: float


class Analysis(Settings):
    name: Name
    grouping: Literal["quartiles", "median", "none"] | Cut | Cuts = "quartiles"
    where: dict[Code, tuple[Code, ...]] = Field({})
    scores: Several[str] = ("n_clusters",)


class Example(Settings):
    tiles: Tiles = Tiles()
    analyses: tuple[Analysis, ...] = Field((), max_length=2)
    table: FilePath = "table.tsv"
    source: Literal["sheet"] | None = Field(None, alias="from")


def analysis(**changes: Any) -> dict[str, Any]:
    return {"analyses": [{"name": "a"} | changes]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tiles": {"tile_umm": 1}}, "tiles.tile_umm: unknown key; did you mean tile_um?"),
        ({"TILES": {}}, "TILES: unknown key; did you mean tiles?"),
        ({"tiles": {"q": 1}}, "tiles.q: unknown key; there are 'tile_um', 'tile_px', 'overlap_um'"),
        ({"source": "sheet"}, "source: unknown key; there are"),
        ({"tiles": None}, "tiles: None is no section with keys"),
        ({"tiles": {"tile_um": True}}, "tiles.tile_um: True is no number"),
        ({"tiles": {"tile_um": "112"}}, "tiles.tile_um: '112' is no number"),
        ({"tiles": {"tile_um": math.nan}}, "tiles.tile_um: nan is NaN or infinite"),
        ({"tiles": {"tile_um": 0}}, "tiles.tile_um: 0 must be above 0"),
        ({"tiles": {"tile_px": 224.5}}, "tiles.tile_px: 224.5 is no whole number"),
        ({"tiles": {"tile_px": 8}}, "tiles.tile_px: 8 must be at least 16"),
        ({"tiles": {"overlap_um": 112}}, "tiles: nothing is left"),
        ({"analyses": {}}, "analyses: {} is no list"),
        ({"analyses": [{}]}, "analyses[0].name: is missing"),
        (analysis(name="../x"), "analyses[0].name: '../x' names files: letters, digits"),
        (analysis(name="x\n"), "analyses[0].name: 'x\\n' names files"),
        (analysis(name="x" * 101), "is longer than 100"),
        (analysis(grouping="medians"), "grouping: 'medians' is none of 'quartiles', 'median', 'no"),
        (analysis(grouping="medians"), "'none'; did you mean median?"),
        (analysis(grouping={"cutt": 1}), "grouping.cutt: unknown key; did you mean cut?"),
        (analysis(grouping={"low": 1}), "analyses[0].grouping.high: is missing"),
        (analysis(grouping={"cut": math.inf}), "analyses[0].grouping.cut: inf is NaN or infinite"),
        (analysis(where={"a": [True]}), "analyses[0].where.a[0]: the code True must be put in quo"),
        (analysis(where={True: ["a"]}), "the code True must be put in quotes"),
        (analysis(where={"a": [1.5]}), "the code 1.5 must be put in quotes"),
        (analysis(where={"a": 1}), "analyses[0].where.a: 1 is no list"),
        (analysis(scores=[]), "analyses[0].scores: must not be empty"),
        (analysis(scores=["a", "b", "a"]), "analyses[0].scores: 'a' comes twice"),
        ({"table": "{x}.tsv"}, "table: '{x}.tsv' must not hold {} or <>"),
        ({"table": ""}, "table: must not be empty"),
        ({"from": "cheet"}, "from: 'cheet' is none of 'sheet'; did you mean sheet?"),
    ],
)
def test_a_mistake_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Example.model_validate(values)
    said = explain(caught.value, values)
    assert said.startswith("config, ")
    assert message in said
    assert "\n" not in said


def test_what_is_no_section_at_all_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        Example.model_validate([])
    assert explain(caught.value, [], "config, variant 'a'") == (
        "config, variant 'a': [] is no section with keys"
    )


def test_the_same_meaning_is_the_same() -> None:
    written = {
        "analyses": [{"grouping": {"high": 2, "low": 1.0}, "where": {"a": [1]}, "name": "a"}],
        "tiles": {"tile_px": 224.0, "tile_um": 112},
    }
    rewritten = {
        "tiles": {"tile_um": 112.0, "overlap_um": 0},
        "table": "table.tsv",
        "analyses": ({"name": "a", "where": {"a": ["1"]}, "grouping": {"low": 1, "high": 2.0}},),
    }
    settings = Example.model_validate(written)
    assert settings == Example.model_validate(rewritten)
    # As text, since Snakemake compares the text of parameters.
    assert repr(settings.canonical()) == repr(Example.model_validate(rewritten).canonical())
    assert repr(settings.canonical()["tiles"]) == (
        "{'tile_um': 112.0, 'tile_px': 224, 'overlap_um': 0.0}"
    )
    assert Example.model_validate(settings.canonical()) == settings


def test_codes_are_what_cells_are_compared_with() -> None:
    where = Analysis(name="a", where={1: [1, 1.0, "1.0", "1"]}).where  # type: ignore[dict-item]
    assert where == {"1": ("1", "1", "1", "1")}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1.0", "1"), ("1.", "1"), ("10", "10"), ("100.00", "100"), ("2.50", "2.5")),
        *(("0.0", "0"), ("-1.0", "-1"), ("0.05", "0.05"), ("10.010", "10.01")),
        *(("01", "01"), ("01.0", "01"), ("1e3", "1e3"), (".0", ".0"), ("1.0.0", "1.0.0")),
        *(("T1.0", "T1.0"), ("1,0", "1,0"), ("１.0", "１.0"), ("", ""), ("NA", "NA")),
    ],
)
def test_numbers_are_compared_without_zeros_behind_the_point(text: str, value: str) -> None:
    assert by_value(text) == value
    assert by_value(value) == value


def test_settings_cannot_change() -> None:
    with pytest.raises(ValidationError):
        Tiles().tile_um = 100  # type: ignore[misc]
