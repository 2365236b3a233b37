"""The figure of a fusion: of anything that can be compared, and of nothing (about 5 s)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from helpers.competing import blocks_of, noise, planted
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.fusion.comparison import compare
from histohet.fusion.evaluation import Comparison, empty
from histohet.fusion.figures import draw_fusion
from histohet.fusion.settings import FusionSettings

SETTINGS = FusionSettings(
    endpoint="LM",
    blocks=("clinical", "heterogeneity"),
    folds=2,
    repeats=1,
    horizons=(12, 36),
    permutations=1,
)


@pytest.fixture(scope="module")
def found() -> Comparison:
    tables, outcome = planted(60, 2)
    tables["heterogeneity"].iloc[:6] = float("nan")
    blocks = {name: blocks_of(tables)[name] for name in SETTINGS.blocks}
    return compare(blocks, outcome, SETTINGS, 1)


def test_it_shows_every_model_and_gain(found: Comparison, tmp_path: Path) -> None:
    figure = draw_fusion(found.tables(), title="Risk of LM")
    models, gains, calibration, decision, incidence, importance = figure.axes
    labels = [label.get_text() for label in models.get_yticklabels()]
    assert labels[-1] == "late: clinical + heterogeneity"
    assert models.get_title(loc="left") == "AUC by 36 months"
    assert "heterogeneity, added to clinical" in [one.get_text() for one in gains.get_yticklabels()]
    lines = [line.get_label() for line in decision.get_lines()]
    assert lines[1:] == ["treat all", "all blocks", "all, late fusion", "clinical"]
    assert [one.get_text() for one in importance.get_yticklabels()] == list(SETTINGS.blocks)
    assert len(calibration.containers) == 2
    assert len(incidence.get_legend().get_texts()) == 4
    assert "60 patients" in figure.get_suptitle()
    assert "permutation p" in figure.get_suptitle()
    for name in ("a", "b"):
        again = draw_fusion(found.tables(), title="Risk of LM")
        save_figure(again, [tmp_path / f"{name}.svg"], Provenance())
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_model_that_was_applied_has_no_fits(found: Comparison) -> None:
    tables = found.tables() | {"fits": empty("fits"), "decision": empty("decision")}
    figure = draw_fusion(tables, title="Risk of LM")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["nothing was fitted"]


def test_nothing_to_compare_is_said_and_can_be_written(tmp_path: Path) -> None:
    blocks, outcome = noise(20, 2, 1)
    few = compare(blocks, outcome.assign(state=0), SETTINGS, 1)
    tables: dict[str, pd.DataFrame] = {}
    for name, table in few.tables().items():
        write_tsv(tmp_path / f"{name}.tsv", table, Provenance())
        tables[name] = read_tsv(tmp_path / f"{name}.tsv")
    (axes,) = draw_fusion(tables, title="Risk of LM").axes
    assert "0 events among 20 patients" in axes.texts[0].get_text()
