"""Read the finished features of one scan, of another tool, or say why that is not possible."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import OK, attempt
from histohet.radiomics.extract import Extraction, write_extraction
from histohet.radiomics.finished import UNKNOWN, read_finished


def finished() -> Extraction:
    """Return the features."""
    draw, identity, note = read_finished(snakemake.params.table, snakemake.params.missing)
    return Extraction(scan, identity, (draw,), OK.with_note(note), finished=True)


with job_log(snakemake) as log:
    scan = snakemake.wildcards.scan
    extraction, outcome = attempt(finished, None)
    if extraction is None:
        extraction = Extraction(scan, UNKNOWN, (), outcome, finished=True)
    log.info("%s: %s, %s", scan, extraction.identity, extraction.outcome)
    write_extraction(snakemake.output.features, extraction, provenance_of(snakemake))
