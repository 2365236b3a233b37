"""Gather what every slide is."""

from dataclasses import asdict

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.preflight import disagreeing_features
from histohet.slides.record import read_record
from histohet.slides.sheet import read_slide_sheet


def check_features() -> None:
    """Stop if finished features do not go with each other, or with those that will be made."""
    encoder = snakemake.params.encoder
    opened = [read_record(path) for path in snakemake.input.slides]
    problem = disagreeing_features(opened, encoder["name"], encoder["width"])
    if problem:
        raise SystemExit(problem)


with job_log(snakemake) as log:
    check_features()
    sheet = read_slide_sheet(snakemake.input.sheet, snakemake.params.patient_pattern)
    slides = pd.DataFrame([asdict(read_record(path)) for path in snakemake.input.companions])
    slides.insert(1, "patient", [sheet.slides[slide].patient for slide in slides["slide"]])
    log.info("%d slides, %d can be used", len(slides), (slides["status"] == "ok").sum())
    write_tsv(snakemake.output.slides, slides, provenance_of(snakemake))
