"""Write the clustered tiles of one slide for QuPath."""

from collections.abc import Iterator

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.file import ClusteredTiles, read_clusters
from histohet.common.qupath import TileObject, write_tile_objects
from histohet.drawing.style import cluster_rgb
from histohet.slides.record import read_record
from histohet.tiles.file import read_column
from histohet.tumour.attention import cluster_scores


def tile_objects(clusters: ClusteredTiles) -> Iterator[TileObject]:
    """Yield the tiles with class, colour and measurements."""
    index = clusters.tile_index
    coverage = read_column(snakemake.input.coverage, "coverage")[0][index]
    measurements = {"epithelium": coverage, **tumour_measurements(clusters)}
    for row, (x, y) in enumerate(clusters.tiles.coords.tolist()):
        label = int(clusters.clustering.labels[row])
        yield TileObject(
            index=int(index[row]),
            x=x,
            y=y,
            class_name=f"Cluster {label + 1}",
            colour=cluster_rgb(label),
            measurements={
                "cluster": label + 1,
                "cluster before smoothing": int(clusters.clustering.raw[row]) + 1,
                **{name: round(float(values[row]), 4) for name, values in measurements.items()},
            },
        )


def tumour_measurements(clusters: ClusteredTiles) -> dict[str, np.ndarray]:
    """Return the tumour score of each tile and of its cluster, if the slide has attention."""
    if not snakemake.input.get("tumour"):
        return {}
    scores, outcome = read_column(snakemake.input.tumour, "tumour_score")
    if not outcome.ok:
        return {}
    of_tile = scores[clusters.tile_index]
    of_cluster = cluster_scores(clusters.clustering.labels, of_tile)
    return {
        "tumour score": of_tile,
        "tumour score of cluster": of_cluster[clusters.clustering.labels],
    }


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    clusters = read_clusters(snakemake.input.clusters)
    found = clusters.tiles.outcome.ok
    write_tile_objects(
        snakemake.output.tiles,
        record.slide,
        clusters.tiles.side_px if found else 0.0,
        tile_objects(clusters) if found else (),
        record.bounds_offset,
        provenance_of(snakemake),
    )
    log.info("%s: %d tiles", record.slide, len(clusters.clustering.labels))
