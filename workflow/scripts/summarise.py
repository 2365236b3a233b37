"""Write the key figures of the run."""

from job import job_log, provenance_of

from histohet.files import write_json
from histohet.formats.tables import read_tsv
from histohet.summary import slide_figures, stage_seconds, variant_figures


def table_of(index: int, files: list[str]):
    """Return the table of one variant, None if there are no such tables in this run."""
    return read_tsv(files[index]) if files else None


with job_log(snakemake.log[0]) as log:
    inputs = snakemake.input
    figures = {
        name: variant_figures(
            read_tsv(inputs.slides[index]),
            table_of(index, inputs.estimates),
            table_of(index, inputs.agreement),
        )
        for index, name in enumerate(snakemake.params.variants)
    }
    summary = {
        "provenance": provenance_of(snakemake).as_dict(),
        "slides": slide_figures(read_tsv(inputs.preflight), read_tsv(inputs.slides[0])),
        "variants": figures,
        "planted_hazard_ratio": snakemake.params.planted_hazard_ratio,
        "wall_seconds": stage_seconds(snakemake.params.benchmarks),
    }
    log.info("%s", summary)
    write_json(snakemake.output.summary, summary)
