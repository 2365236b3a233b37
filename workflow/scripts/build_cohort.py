"""Select the patients of an analysis, group them, and account for everyone left out."""

from job import job_log, provenance_of

from histohet.analyses import AnalysisSpec
from histohet.clinical import read_clinical_tsv
from histohet.cohort import build_cohort
from histohet.drawing.figures import save_figure
from histohet.drawing.flow import draw_flow
from histohet.flow import flow_table
from histohet.formats.tables import read_tsv, write_tsv

with job_log(snakemake) as log:
    spec = AnalysisSpec.from_config(snakemake.params.analysis)
    slides = read_tsv(snakemake.input.slides)
    clinical = read_clinical_tsv(snakemake.input.clinical, snakemake.input.problems)
    cohort = build_cohort(slides, clinical, spec)
    flow = flow_table(cohort, slides, spec)
    log.info("%d patients, %d analysed", len(cohort.patients), cohort.patients["analysed"].sum())
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.patients, cohort.patients, provenance)
    write_tsv(snakemake.output.flow, flow, provenance)
    title = f"Analysis {spec.name}, variant {snakemake.wildcards.variant}"
    outputs = [snakemake.output.flow_svg, snakemake.output.flow_png]
    save_figure(draw_flow(flow, title=title), outputs, provenance)
