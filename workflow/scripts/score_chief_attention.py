"""Score CHIEF's tiles of one slide: raw attention before the softmax."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import write_json
from histohet.common.provenance import Provenance
from histohet.encoders.weights import file_sha256
from histohet.features.file import open_features
from histohet.tiles.file import write_column
from histohet.tumour.attention import write_attention
from histohet.tumour.chief import read_network


def source_of(checkpoint: str) -> Provenance:
    """Return the provenance, the checkpoint's checksum included."""
    source = provenance_of(snakemake)
    digest = file_sha256(checkpoint)
    return Provenance({**source.parameters, "checkpoint_sha256": digest}, source.inputs)


with job_log(snakemake) as log:
    checkpoint = snakemake.input.checkpoint
    source = source_of(checkpoint)
    with open_features(snakemake.input.features) as table:
        tiles, values = table.tiles, np.empty(0)
        if tiles.outcome.ok:
            network = read_network(checkpoint)
            log.info("network of %d features, %d hidden and %d gated units", *network.sizes)
            values = network.raw_attention(table.features)
    log.info("%d tiles, %s", len(values), tiles.outcome)
    write_column(
        snakemake.output.column, "attention", values.astype(np.float32), tiles.outcome, source
    )
    write_attention(snakemake.output.table, tiles.coords, values)
    outcome = {"status": str(tiles.outcome.status), "reason": tiles.outcome.reason}
    write_json(f"{snakemake.output.table}.provenance.json", source.as_dict() | outcome)
