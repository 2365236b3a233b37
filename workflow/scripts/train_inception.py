"""Train Inception for one trait in one round of a fold."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv, write_tsv
from histohet.features.partial import partial_folder
from histohet.slides.record import INCOMPARABLE
from histohet.tiles.file import read_tiles
from histohet.traits.expression import TraitError
from histohet.traits.inception import Labelled, Training, take_gpu
from histohet.traits.pictures import tile_set
from histohet.traits.rounds import Round, write_round
from histohet.traits.settings import InceptionSettings
from histohet.traits.training import lessons_of


def labelled(chosen: np.ndarray) -> Labelled:
    """Return the tiles of some slides, (S,) bool, with the target of each slide."""
    some = np.flatnonzero(chosen)
    return Labelled(tile_set([paths[n] for n in some], sizes[some]), lesson.target[some])


with job_log(snakemake) as log:
    inputs, params = snakemake.input, snakemake.params
    trait, fold, number = (snakemake.wildcards[name] for name in ("trait", "fold", "round"))
    preflight = read_tsv(inputs.preflight)
    known = preflight[preflight["consequence"] != INCOMPARABLE]
    patients = dict(zip(known["slide"], known["patient"], strict=True))
    found = {path: read_tiles(path) for path in inputs.tiles}
    paths = [path for path, one in found.items() if one.attributes["name"] in patients]
    sizes = np.array([len(found[path].coords) for path in paths])
    owners = [patients[found[path].attributes["name"]] for path in paths]
    tables = (read_tsv(inputs[name]) for name in ("labels", "thresholds", "splits"))
    take_gpu(int(number))
    try:
        lesson = lessons_of(trait, owners, *tables, **params.lesson)[int(fold)]
        trained, validated = lesson.rounds[int(number) - 1]
        stats = {path: Path(path).stat() for path in paths}
        depends_on = {
            "parameters": dict(params.items()),
            "lesson": hashlib.sha256(
                np.array([lesson.target, trained, validated]).tobytes()
            ).hexdigest(),
            "tiles": {path: [stat.st_size, stat.st_mtime_ns] for path, stat in stats.items()},
        }
        with (
            partial_folder(snakemake.output.network, depends_on) as folder,
            ThreadPoolExecutor(snakemake.threads) as readers,
        ):
            best = Training(
                labelled(trained),
                labelled(validated),
                InceptionSettings(**params.recipe),
                [params.seed, int(fold), int(number)],
                folder,
                readers,
            ).run()
            provenance = provenance_of(snakemake)
            history = pd.DataFrame(map(asdict, best.history))
            write_tsv(snakemake.output.history, history, provenance)
            about = Round(trait, int(fold), int(number), best.best)
            write_round(snakemake.output.network, about, best.weights, provenance)
    except TraitError as error:
        raise SystemExit(f"trait '{trait}', fold {fold}, round {number}: {error}") from error
    log.info("%d evaluations, the best: %s", len(history), best.best)
