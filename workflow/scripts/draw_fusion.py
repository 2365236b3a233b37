"""Draw what models of blocks predict: at a glance, and a figure for each question."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv
from histohet.drawing.style import save_figure
from histohet.fusion.figures import FIGURES, TABLES, draw

with job_log(snakemake):
    tables = {name: read_tsv(snakemake.input[name]) for name in TABLES}
    how = snakemake.wildcards.evaluation.replace("_", "-")
    title = f"Risk of {snakemake.params.endpoint}, {how}"
    for name in FIGURES:
        outputs = [snakemake.output[f"{name}_{kind}"] for kind in ("svg", "png")]
        save_figure(draw(name, tables, title=title), outputs, provenance_of(snakemake))
