"""Put the networks of all folds into a folder that nnU-Net and `segment_ct` read."""

import shutil
from pathlib import Path

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import atomic_folder
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.segmentation.training_figures import draw_training

with job_log(snakemake) as log:
    inputs, output, folds = snakemake.input, snakemake.output, snakemake.params.folds
    provenance = provenance_of(snakemake)
    with atomic_folder(output.model) as folder:
        shutil.copyfile(inputs.plans, folder / "plans.json")
        shutil.copyfile(inputs.dataset, folder / "dataset.json")
        for fold, model in zip(folds, inputs.models, strict=True):
            place = folder / f"fold_{fold}"
            place.mkdir()
            shutil.copyfile(model, place / Path(model).name)
    tables = {}
    for name, files in (("history", inputs.histories), ("validation", inputs.validations)):
        of_folds = {fold: read_tsv(file) for fold, file in zip(folds, files, strict=True)}
        tables[name] = pd.concat(of_folds, names=["fold"]).reset_index("fold")
        write_tsv(output[name], tables[name], provenance)
    save_figure(draw_training(tables["history"]), [output.svg, output.png], provenance)
    log.info("Dice by label:\n%s", tables["validation"].groupby("label")["dice"].describe())
