"""Compare the heterogeneity of cores within patients and between them, under one variant."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv, write_tsv
from histohet.cores.heterogeneity import icc_table, patient_table
from histohet.cores.strip_plot import draw_cores
from histohet.drawing.style import save_figure
from histohet.measures.cohort import SCORES

with job_log(snakemake) as log:
    slides = read_tsv(snakemake.input.slides)
    cores = slides[slides["slide"].isin(snakemake.params.cores)]
    pooled = read_tsv(snakemake.input.pooled[0]) if snakemake.input.pooled else None
    drawn = snakemake.params.drawn
    measured = [one for one in (*SCORES, *drawn) if one in cores and cores[one].notna().any()]
    scores = list(dict.fromkeys([*drawn, *measured]))
    found = icc_table(cores, scores)
    log.info("%d cores of %d patients", len(cores), cores["patient"].nunique())
    output, provenance = snakemake.output, provenance_of(snakemake)
    write_tsv(output.patients, patient_table(cores, scores, pooled), provenance)
    write_tsv(output.icc, found, provenance)
    title = f"Cores by patient, variant {snakemake.wildcards.variant}"
    save_figure(draw_cores(cores, found, drawn, title), [output.svg, output.png], provenance)
