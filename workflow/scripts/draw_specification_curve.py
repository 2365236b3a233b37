"""Estimate the hazard ratio under every combination of analysis choices."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.table import read_clinical_tsv
from histohet.cohort.settings import AnalysisSettings
from histohet.common.logs import track
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.survival.figures.specification_curve import draw_specification_curve
from histohet.survival.settings import CurveSettings
from histohet.survival.specification_curve import curve_summary, specification_curve

with job_log(snakemake) as log:
    inputs, outputs, words = snakemake.input, snakemake.output, snakemake.params.variants
    spec = AnalysisSettings(**snakemake.params.analysis)
    slides = zip(words, map(read_tsv, inputs.slides), strict=True)
    curve = specification_curve(
        track(slides, len(words), "ways to measure slides"),
        words,
        read_clinical_tsv(inputs.clinical, inputs.problems),
        spec,
        CurveSettings(**snakemake.params.choices),
        snakemake.params.pooled,
    )
    summary = curve_summary(curve)
    log.info("%s", summary.to_string())
    provenance = provenance_of(snakemake)
    write_tsv(outputs.curve, curve, provenance)
    write_tsv(outputs.summary, summary, provenance)
    figure = draw_specification_curve(curve, f"Specification curve, analysis {spec.name}")
    save_figure(figure, [outputs.svg, outputs.png], provenance)
