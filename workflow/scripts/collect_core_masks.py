"""List the masks of all cores, for programs that take pictures with masks."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import read_json, write_text
from histohet.common.outcome import Outcome, Status
from histohet.common.tables import write_sidecar
from histohet.cores.masks import MaskRow, mask_table

with job_log(snakemake) as log:
    files, rows = snakemake.input, []
    for picture, mask, path, patient in zip(
        files.pictures, files.masks, files.about, snakemake.params.patients, strict=True
    ):
        about = read_json(path)
        outcome = Outcome(Status(about["status"]), about["reason"])
        facts = (about.get("mpp"), about.get("tissue_mm2"))
        rows.append(MaskRow(about["slide"], patient, picture, mask, *facts, outcome))
    table = mask_table(rows)
    log.info("%d cores, %d with a mask", len(table), (table["status"] == Status.OK).sum())
    write_text(snakemake.output.table, table.to_csv(index=False, lineterminator="\n"))
    types = table.dtypes.astype(str).to_dict()
    write_sidecar(snakemake.output.table, types, provenance_of(snakemake))
