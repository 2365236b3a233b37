"""The figure of a fusion: of anything that can be compared, and of nothing (about 5 s)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from helpers.competing import blocks_of, noise, planted
from helpers.figures import texts
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.fusion.comparison import compare
from histohet.fusion.evaluation import Comparison, empty
from histohet.fusion.figures import FIGURES, draw
from histohet.fusion.groups import subgroups
from histohet.fusion.settings import FusionSettings
from plan.paths import FUSION_FIGURES

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
    figure = draw("fusion", found.tables(), title="Risk of LM")
    models, gains, calibration, decision, incidence, importance = figure.axes
    labels = [label.get_text() for label in models.get_yticklabels()]
    assert labels[-1] == "late: clinical + heterogeneity"
    assert models.get_title(loc="left") == "AUC by 36 months"
    assert "heterogeneity, added to clinical" in [one.get_text() for one in gains.get_yticklabels()]
    lines = [line.get_label() for line in decision.get_lines()]
    known = ["treat nobody", "treat all", "all blocks", "all, late fusion", "clinical"]
    assert lines == known
    assert [one.get_text() for one in importance.get_yticklabels()] == list(SETTINGS.blocks)
    assert len(calibration.containers) == 2
    assert len(incidence.get_legend().get_texts()) == 4
    assert "60 patients" in figure.get_suptitle()
    assert "permutation p" in figure.get_suptitle()
    for name in ("a", "b"):
        again = draw("fusion", found.tables(), title="Risk of LM")
        save_figure(again, [tmp_path / f"{name}.svg"], Provenance())
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def drawn(found: Comparison, name: str, **changes: pd.DataFrame) -> str:
    groups = pd.DataFrame({"batch": ["A", "B"] * 30}, index=found.risks["patient"].iloc[:60])
    outcome = planted(60, 2)[1]
    by_batch = subgroups(found.risks, outcome, groups, "clinical + heterogeneity")
    tables = found.tables() | {"subgroups": by_batch} | changes
    return texts(draw(name, tables, title="Risk of LM"))


def test_each_question_has_a_figure(found: Comparison) -> None:
    assert set(FIGURES) == set(FUSION_FIGURES)
    models = drawn(found, "models")
    for words in ("AUC", "Brier skill", "C, gain over clinical", "by 12 months", "by 36 months"):
        assert words in models
    assert "gain over volume" not in models  # which is no model here
    calibration = drawn(found, "calibration")
    assert "all blocks: slope" in calibration
    assert "Observed incidence by 12 months" in calibration
    decision = drawn(found, "decision")
    assert decision.count("treat nobody") == decision.count("treat all") == 2
    assert "low (n = 20)" in drawn(found, "incidence")
    groups = drawn(found, "groups")
    for words in ("has clinical, heterogeneity", "has clinical", "batch A", "batch B", "54"):
        assert words in groups
    blocks = drawn(found, "blocks")
    assert "AUC: lost without the block" in blocks
    assert "no features were chosen" in blocks
    kept = pd.DataFrame({"block": "ct", "column": list("abc"), "share": [1.0, 0.5, 0.0]})
    assert "ct: 3 features, 1 in all fits, 1 in none" in drawn(found, "blocks", kept=kept)


def test_a_model_that_was_applied_has_no_fits(found: Comparison) -> None:
    tables = found.tables() | {"fits": empty("fits"), "decision": empty("decision")}
    figure = draw("fusion", tables, title="Risk of LM")
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert said == ["nothing was fitted"]


def test_nothing_to_compare_is_said_and_can_be_written(tmp_path: Path) -> None:
    blocks, outcome = noise(20, 2, 1)
    few = compare(blocks, outcome.assign(state=0), SETTINGS, 1)
    tables: dict[str, pd.DataFrame] = {}
    for name, table in few.tables().items():
        write_tsv(tmp_path / f"{name}.tsv", table, Provenance())
        tables[name] = read_tsv(tmp_path / f"{name}.tsv")
    for name in FIGURES:
        (axes,) = draw(name, tables, title="Risk of LM").axes
        assert "0 events among 20 patients" in axes.texts[0].get_text()
