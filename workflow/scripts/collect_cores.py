"""Put the cores of all arrays into one slide sheet, if nothing contradicts the sheet of arrays.

Beside it goes what of the configuration fits cores of that size.
"""

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import read_json, write_text
from histohet.common.tables import read_tsv, write_tsv
from histohet.cores.tiling import CoreSize, settings_text

with job_log(snakemake) as log:
    checks = list(map(read_json, snakemake.input.checks))
    problems = [f"array '{one['array']}': {said}" for one in checks for said in one["problems"]]
    if problems:
        raise SystemExit(
            f"{'; '.join(problems)}. The pictures are drawn: results/tma/<array>/overview.jpg"
        )
    table = pd.concat(map(read_tsv, snakemake.input.cores), ignore_index=True)
    log.info("%d cores of %d arrays", len(table), len(snakemake.input.cores))
    write_tsv(snakemake.output.slides, table, provenance_of(snakemake))
    sizes = [CoreSize(one["diameter_um"], one["mpp"]) for one in checks]
    write_text(snakemake.output.settings, settings_text(sizes, **snakemake.params.fit))
