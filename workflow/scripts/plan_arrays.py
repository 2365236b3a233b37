"""Plan phantom arrays: their sheet and maps, the patients' clinical table, and what is planted."""

from pathlib import Path

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.phantoms.array_plan import grid_of, map_table, plan_arrays, spot_table
from histohet.phantoms.plan import clinical_table, plan_cohort, plan_table
from histohet.phantoms.settings import PhantomSettings

with job_log(snakemake) as log:
    settings = PhantomSettings(**snakemake.params.phantoms)
    donors = plan_cohort(settings)
    plans = plan_arrays(settings, donors)
    log.info("%d arrays of %d patients", len(plans), len(donors))
    output, provenance = snakemake.output, provenance_of(snakemake)
    maps = dict(zip((plan.array for plan in plans), output.maps, strict=True))
    rows = []
    for plan in plans:
        n_rows, n_columns = grid_of(plan)
        path = (Path(maps[plan.array]).parent / f"{plan.array}.svs").as_posix()
        grid = {"rows": n_rows, "columns": n_columns, "map": maps[plan.array]}
        rows.append({"array": plan.array, "path": path} | grid)
        write_tsv(maps[plan.array], map_table(plan), provenance)
    survival = (settings.hazard_ratio, settings.seed, settings.max_subclones)
    write_tsv(output.sheet, pd.DataFrame(rows), provenance)
    write_tsv(output.spots, spot_table(plans), provenance)
    write_tsv(output.donors, plan_table(donors), provenance)
    write_tsv(output.clinical, clinical_table(donors, *survival), provenance)
