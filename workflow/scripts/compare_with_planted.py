"""Compare risks and masks of a phantom cohort with what was planted."""

import numpy as np
import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv, write_tsv
from histohet.fusion.competing_risks import CENSORED, COMPETING, EVENT
from histohet.fusion.performance import auc, known_by
from histohet.phantoms.recovery import (
    COLUMNS,
    WHOLE,
    correlations,
    summary_of,
)
from histohet.phantoms.scan_plan import DAYS_PER_MONTH, DEATH, FREE, METASTASIS

STATES = {METASTASIS: EVENT, DEATH: COMPETING, FREE: CENSORED}

with job_log(snakemake) as log:
    files = snakemake.input
    planted, risks, estimates = (
        read_tsv(files[name]) for name in ("planted", "risks", "estimates")
    )
    models = risks["model"].drop_duplicates()
    everything = max((name for name in models if not name.startswith("late")), key=len)
    tables = [correlations(planted, risks, everything)]

    months = estimates["horizon_months"].max()
    at_last = estimates[estimates["horizon_months"].eq(months) & estimates["patients"].eq("all")]
    ranked = at_last["measure"].eq("auc")
    gained = at_last["measure"].eq("auc_gain") & at_last["model"].eq(everything)
    shown = at_last[ranked | gained].sort_values("measure", kind="stable")
    tables.append(shown.rename(columns={"horizon_months": "months"}))

    clinical = read_tsv(files.clinical).set_index("patient").loc[planted["patient"]]
    time = clinical["days"].to_numpy(float) / DAYS_PER_MONTH
    state = clinical["status"].map(STATES).to_numpy()
    everybody = np.ones((1, len(planted)))
    known = known_by(time, state, months)
    best = auc(known, planted[WHOLE].to_numpy(), np.zeros(len(planted), int), everybody)
    row = {"measure": "auc", "model": "planted", "months": months, "estimate": best[0]}
    tables.append(pd.DataFrame([row | {"n": len(planted)}]))

    overlaps = read_tsv(files.overlaps)
    if len(overlaps):
        measures = overlaps.columns.drop("scan")
        tables.append(pd.DataFrame([summary_of(name, overlaps[name]) for name in measures]))
    found = pd.concat(tables, ignore_index=True)[list(COLUMNS)].round(3)
    log.info("%s", found.to_string())
    write_tsv(snakemake.output.table, found, provenance_of(snakemake))
