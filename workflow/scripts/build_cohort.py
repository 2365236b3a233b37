"""Select the patients of an analysis, group them, and account for everyone left out."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.formats import ClinicalError
from histohet.clinical.table import read_clinical_tsv
from histohet.cohort.figures import draw_flow
from histohet.cohort.select import build_cohort, flow_table
from histohet.cohort.settings import AnalysisSettings
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure

with job_log(snakemake) as log:
    spec = AnalysisSettings(**snakemake.params.analysis)
    slides = read_tsv(snakemake.input.slides)
    clinical = read_clinical_tsv(snakemake.input.clinical, snakemake.input.problems)
    try:
        clinical.check_patients(slides["patient"])
    except ClinicalError as error:
        raise SystemExit(str(error)) from error
    cohort = build_cohort(slides, clinical, spec)
    flow = flow_table(cohort, slides, spec)
    log.info("%d patients, %d analysed", len(cohort.patients), cohort.patients["analysed"].sum())
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.patients, cohort.patients, provenance)
    write_tsv(snakemake.output.flow, flow, provenance)
    title = f"Analysis {spec.name}, variant {snakemake.wildcards.variant}"
    outputs = [snakemake.output.flow_svg, snakemake.output.flow_png]
    save_figure(draw_flow(flow, title=title), outputs, provenance)
