"""Train one fold of a segmentation, from where an earlier job was killed."""

from pathlib import Path

import torch

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import read_json
from histohet.common.tables import write_tsv
from histohet.features.partial import partial_folder
from histohet.segmentation.training import Lesson, Training

with job_log(snakemake) as log:
    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    fold, network = snakemake.wildcards.fold, params.network
    plans, about = read_json(inputs.plans), read_json(inputs.dataset)
    dealt = read_json(inputs.folds)["folds"][fold]
    cases = Path(inputs.cases, network["configuration"])
    files = {path.name: path.stat() for path in sorted(cases.iterdir())}
    depends_on = {
        "parameters": dict(params.items()),
        "plans": plans,
        "about": about,
        "dealt": dealt,
        "cases": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in files.items()},
    }
    with partial_folder(output.model, depends_on) as folder:
        lesson = Lesson(
            plans, about, network["configuration"], cases, **dealt, fold=fold, seed=params.seed
        )
        # Without a GPU there is nothing to be ahead of.
        readers = snakemake.threads - 1 if torch.cuda.is_available() else 0
        training = Training(lesson, network["epochs"], network["iterations"], folder, readers)
        training.run()
        provenance = provenance_of(snakemake)
        write_tsv(output.validation, training.validate(), provenance)
        write_tsv(output.history, training.history, provenance)
        training.write(Path(output.model), provenance)
