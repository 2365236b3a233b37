"""Write what the atlas shows of the cohort, and the page itself."""

from histohet.common.jobs import job_log
from histohet.atlas.cohort import AnalysisTables, VariantTables, cohort_data
from histohet.atlas.data import call_text
from histohet.atlas.static import copy_pages
from histohet.common.files import write_text
from histohet.common.tables import read_tsv

with job_log(snakemake) as log:
    given, output, params = snakemake.input, snakemake.output, snakemake.params
    tables = zip(given.patients, given.estimates, given.curves, strict=True)
    variants = [
        VariantTables(
            **variant,
            slides=read_tsv(slides),
            clusters=read_tsv(clusters),
            analyses=[
                AnalysisTables(
                    **analysis,
                    **dict(
                        zip(
                            ("patients", "estimates", "curves"),
                            map(read_tsv, next(tables)),
                            strict=True,
                        )
                    ),
                )
                for analysis in params.analyses
            ],
        )
        for variant, slides, clusters in zip(
            params.variants, given.slides, given.clusters, strict=True
        )
    ]
    try:
        data = cohort_data(variants, read_tsv(given.preflight), params.columns, params.zoomed)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    write_text(output.cohort, call_text("cohort", data))
    copy_pages(output.page, output.static)
    log.info("%d variants, %d slides", len(variants), len(variants[0].slides))
