"""Extract the features of one scan, under every mask of it."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.ct.file import read_scan
from histohet.ct.settings import CtSettings
from histohet.radiomics.engine import make_engine
from histohet.radiomics.extract import Draw, Extraction, extract, write_extraction
from histohet.radiomics.settings import RadiomicsSettings


def draws() -> list[Draw]:
    """Return the features under every mask."""
    return extract(scan, image, engine, settings, snakemake.params.seed)


with job_log(snakemake) as log:
    scan, image = snakemake.wildcards.scan, read_scan(snakemake.input.scan)
    settings = RadiomicsSettings(**snakemake.params.radiomics)
    try:
        engine = make_engine(settings, CtSettings(**snakemake.params.ct))
    except ModuleNotFoundError as error:
        raise SystemExit(str(error)) from error
    found, outcome = attempt(draws, [], image.outcome)
    log.info("%s: %d draws, %s, %s", scan, len(found), engine.identity, outcome)
    extraction = Extraction(scan, engine.identity, tuple(found), outcome)
    write_extraction(snakemake.output.features, extraction, provenance_of(snakemake))
