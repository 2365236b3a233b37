"""Gather what every slide is."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.preflight import disagreeing_features, slide_table
from histohet.slides.record import read_record
from histohet.slides.sheet import read_slide_sheet

with job_log(snakemake) as log:
    inputs, encoder = snakemake.input, snakemake.params.encoder
    opened = [read_record(path) for path in inputs.slides]
    if problem := disagreeing_features(opened, encoder["name"], encoder["width"]):
        raise SystemExit(problem)
    sheet = read_slide_sheet(inputs.sheet, snakemake.params.patient_pattern)
    slides = slide_table([read_record(path) for path in inputs.companions], sheet)
    log.info("%d slides, %d can be used", len(slides), (slides["status"] == "ok").sum())
    write_tsv(snakemake.output.slides, slides, provenance_of(snakemake))
