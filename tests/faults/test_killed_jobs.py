"""Every job is killed several times in the middle of its work, and all comes out the same."""

from __future__ import annotations

import logging
import random
import time
from pathlib import Path

from helpers import ROOT
from helpers.cohorts import CONFIG, PHANTOMS, TARGETS, Cohort
from helpers.faults import (
    KILLS,
    SEED,
    Undisturbed,
    Watch,
    kills_by_rule,
    new_cohort,
    plan_kills,
    processes_in,
    undisturbed_run,
    watched_by_killer,
)

logger = logging.getLogger("faults")

NOT_RUN = {
    *TARGETS,
    *("encode_chief_tiles", "score_chief_attention"),
    "prefetch",  # Fetches from the network.
    "export_anndata",  # On demand; written as features are.
    # Of tissue microarrays, which no phantom is; written as thumbnails and tables are.
    *("find_cores", "collect_cores", "mask_core", "collect_core_masks", "compare_cores"),
}
"""Rules that the cohort of these tests does not need."""


def check_killed_run(
    undisturbed: Undisturbed, cohort: Cohort, state: Path, snakefile: str = "Snakefile"
) -> None:
    """Run all jobs, each of them killed as planned before it may end, and compare."""
    state.mkdir()
    planned = plan_kills(undisturbed.record, state, random.Random(SEED))
    assert set(planned) == set(undisturbed.cohort.rules("--forceall", snakefile=snakefile))
    with Watch(cohort.folder, undisturbed.digests) as watch, watched_by_killer(state):
        cohort.run("--retries", str(KILLS), snakefile=snakefile)
    kills = kills_by_rule(state)
    logger.info("FAULTS_SEED=%d: %d of %d planned kills", SEED, kills.total(), planned.total())
    logger.info("by rule: %s", dict(kills))
    logger.info("%d states of files were seen under their final names", watch.looked_at)
    assert watch.damaged == []
    assert undisturbed.missing(cohort.folder) == []
    assert undisturbed.damaged(cohort.folder) == []
    assert set(kills) == set(planned)
    assert cohort.jobs(snakefile=snakefile) == []
    assert list(cohort.folder.rglob(".partial-*")) == []
    time.sleep(1)
    assert processes_in(cohort.folder) == []


def test_every_rule(undisturbed: Undisturbed, tmp_path: Path) -> None:
    cohort = new_cohort(tmp_path / "cohort", undisturbed.cohort.workflow, undisturbed.given)
    check_killed_run(undisturbed, cohort, tmp_path / "state")


def test_every_rule_of_the_phantoms(tmp_path: Path) -> None:
    config = CONFIG | {"phantoms": PHANTOMS | {"n_slides": 1, "epithelial_tiles": 8}}
    workflow = ROOT / "workflow"
    first = Cohort(tmp_path / "first", workflow, config)
    undisturbed = undisturbed_run(first, tmp_path, tmp_path / "record", "workflow/phantoms.smk")
    cohort = Cohort(tmp_path / "cohort", workflow, config)
    check_killed_run(undisturbed, cohort, tmp_path / "state", "workflow/phantoms.smk")


def test_no_rule_is_forgotten(undisturbed: Undisturbed) -> None:
    listed = undisturbed.cohort.snakemake("--list-rules").stdout.split()
    run = undisturbed.cohort.rules("--forceall")
    assert set(run) | NOT_RUN == set(listed)
    assert not set(run) & NOT_RUN
