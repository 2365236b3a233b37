"""List the slides without a result, and stop the cohort if they are too many."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv, write_tsv

with job_log(snakemake) as log:
    slides = read_tsv(snakemake.input.slides)
    failures = slides.loc[slides["status"] != "ok", ["slide", "patient", "status", "reason"]]
    share, limit = len(failures) / len(slides), snakemake.params.max_failed_fraction
    for _, failure in failures.iterrows():
        log.warning("%s: %s, %s", failure["slide"], failure["status"], failure["reason"])
    if share > limit:
        raise SystemExit(
            f"{len(failures)} of {len(slides)} slides gave no result ({share:.0%}), more than "
            f"max_failed_fraction allows ({limit:.0%}); which and why stands above and in "
            f"{snakemake.input.slides}"
        )
    write_tsv(snakemake.output.failures, failures, provenance_of(snakemake))
