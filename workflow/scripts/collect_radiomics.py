"""Put the features of all scans into one table, and say how stable they are."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.html import write_html
from histohet.common.tables import write_tsv
from histohet.radiomics.extract import read_extraction
from histohet.radiomics.stability import measure_stability
from histohet.radiomics.table import (
    OF_SCAN,
    DifferentEnginesError,
    collect,
    phases_in_words,
    write_table,
)

with job_log(snakemake) as log:
    output, provenance = snakemake.output, provenance_of(snakemake)
    try:
        features, draws = collect(
            [read_extraction(path) for path in snakemake.input.features],
            snakemake.params.scans,
        )
    except DifferentEnginesError as error:
        raise SystemExit(str(error)) from error
    scans, identity = features.scans, features.identity
    log.info("%d scans, %d ok, %s", len(scans), (scans["status"] == "ok").sum(), identity)
    if identity.engine.startswith("pyradiomics") and "bin_width_hu" in identity.settings:
        log.warning(
            "PyRadiomics numbers grey levels of fixed width from each region's darkest voxel, so "
            "features that use the level itself do not compare between patients: set radiomics.bins"
        )
    if phases := phases_in_words(scans):
        log.warning("%s", phases)
    stability = measure_stability(draws, features.names)
    write_table(output.features, scans, identity, provenance)
    write_table(output.draws, draws, identity, provenance)
    write_tsv(output.stability, stability, provenance)
    write_html(output.page, {"Scans": scans[list(OF_SCAN)], "Stability": stability}, provenance)
