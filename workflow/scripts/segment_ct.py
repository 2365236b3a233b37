"""Find the regions of one CT by a model of nnU-Net."""

from importlib.metadata import version
from typing import Any

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.ct.prepare import check_present
from histohet.ct.reading import Volume, read_ct
from histohet.segmentation.mask import measure_regions, segment_scan, write_mask, write_no_mask
from histohet.segmentation.model import read_model
from histohet.segmentation.plans import ModelError
from histohet.segmentation.predictor import Predictor
from histohet.segmentation.record import Region, write_record


def read() -> Volume:
    """Return the CT."""
    return read_ct(check_present("ct", snakemake.params.ct, snakemake.params.missing))


def load() -> Predictor:
    """Return the model, of the folds that its checksums are of."""
    folds = [name.split("/")[0] for name in snakemake.params.model if "/" in name]
    model = read_model(snakemake.resources.model, [fold.removeprefix("fold_") for fold in folds])
    how = snakemake.params.how
    return Predictor(model, how["step"], how["mirroring"])


def write(ct: Volume, predictor: Predictor) -> tuple[dict[str, Region], dict[str, Any]]:
    """Write the mask; return its regions, and what the model is."""
    model = predictor.model
    mask = segment_scan(ct, predictor, model.orientation(snakemake.params.how["orientation"]))
    write_mask(snakemake.output.mask, mask, ct.stored)
    about = {
        "name": model.name,
        "configuration": predictor.configuration,
        "trainer": predictor.trainer,
        "folds": [*model.checkpoints],
        "nnunetv2": version("nnunetv2"),
    }
    return measure_regions(mask, ct.stored.spacing, model.labels), about


with job_log(snakemake) as log:
    ct, outcome = attempt(read, None)
    if ct is None:
        write_no_mask(snakemake.output.mask)
        regions, about = {}, {}
    else:
        try:
            regions, about = write(ct, load())
        except ModelError as error:
            raise SystemExit(str(error)) from error
    found = ", ".join(f"{name} {region.volume_ml:g} ml" for name, region in regions.items())
    log.info("%s: %s", snakemake.wildcards.scan, found or outcome)
    provenance = provenance_of(snakemake)
    write_record(
        snakemake.output.record, snakemake.wildcards.scan, outcome, regions, about, provenance
    )
