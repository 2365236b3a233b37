"""Collect how far the labels of all cores stay the same, and draw it by angle."""

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.rotation.consistency import as_table
from histohet.rotation.figures import draw_by_angle


def collected(paths: list[str]) -> pd.DataFrame:
    """Return tables below each other; without any, one without rows."""
    return pd.concat(map(read_tsv, paths), ignore_index=True) if paths else as_table([])


with job_log(snakemake):
    given, output, provenance = snakemake.input, snakemake.output, provenance_of(snakemake)
    consistency = collected(given.cores)
    write_tsv(output.consistency, consistency, provenance)
    write_tsv(output.shared, collected(given.shared), provenance)
    save_figure(draw_by_angle(consistency), [output.svg, output.png], provenance)
