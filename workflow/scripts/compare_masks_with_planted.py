"""Compare the tumours that a network finds in phantom scans with those that were planted."""

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.ct.prepare import largest_part
from histohet.ct.reading import read_ct, read_region
from histohet.phantoms.recovery import dice

with job_log(snakemake) as log:
    files, rows = snakemake.input, []
    for scan, mask, truth, ct in zip(
        snakemake.params.scans, files.found, files.truth, files.cts, strict=True
    ):
        grid = read_ct(ct).geometry
        ours, planted = (read_region(path, (), grid) for path in (mask, truth))
        overlaps = {
            "dice": dice(ours, planted),
            "dice of the largest part": dice(largest_part(ours)[0], planted),
        }
        rows.append({"scan": scan, **overlaps})
    table = pd.DataFrame(rows, columns=["scan", "dice", "dice of the largest part"])
    log.info("%s", table.to_string())
    write_tsv(snakemake.output.table, table, provenance_of(snakemake))
