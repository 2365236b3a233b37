"""How the jobs of a fusion begin and end: patients read, tables written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from histohet.cohort.settings import AnalysisSettings
from histohet.common.provenance import Provenance
from histohet.common.tables import write_tsv
from histohet.fusion.errors import FusionError
from histohet.fusion.evaluation import Comparison
from histohet.fusion.patients import FusionCohort, read_fusion_cohort
from histohet.fusion.settings import FusionSettings


@contextmanager
def fusion_of(job: Any) -> Iterator[tuple[FusionSettings, FusionCohort]]:
    """Yield the section `fusion` and the patients of a job.

    Parameters
    ----------
    job
        The object ``snakemake`` of the script.

    Raises
    ------
    SystemExit
        If tables or settings are wrong, with what is and what to do (`FusionError`).
    """
    settings = FusionSettings(**job.params.fusion)
    analysis = AnalysisSettings(**job.params.analysis)
    try:
        yield (
            settings,
            read_fusion_cohort(
                job.input, analysis, settings, job.params.made_by, job.params.patients
            ),
        )
    except FusionError as error:
        raise SystemExit(str(error)) from error


def write_comparison(
    files: Mapping[str, str], found: Comparison, cohort: FusionCohort, provenance: Provenance
) -> None:
    """Write the tables of a comparison, and the flow of its patients, to files of their names."""
    for name, table in (found.tables() | {"flow": cohort.flow}).items():
        write_tsv(files[name], table, provenance)
