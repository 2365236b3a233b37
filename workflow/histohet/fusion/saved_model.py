"""A model that was fitted, in two files, and what must hold before it is applied elsewhere.

``model.json`` says in plain text what the model is: endpoint, blocks, columns, levels, what made
the columns, whom it was trained on. ``model.safetensors`` beside it holds the numbers. Nothing is
unpickled, and the JSON holds the checksum of the numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors
import safetensors.numpy

from histohet import __version__
from histohet.common.arrays import Floats
from histohet.common.files import atomic_path, write_json
from histohet.common.provenance import Provenance
from histohet.fusion.blocks import Encoding
from histohet.fusion.comparison import LATE, filters_of, named
from histohet.fusion.competing_risks import COMPETING, EVENT, Hazards, aalen_johansen
from histohet.fusion.cross_validation import Predictions
from histohet.fusion.errors import FusionError, check_make
from histohet.fusion.estimates import NOTHING
from histohet.fusion.evaluation import Comparison, empty, tabulated
from histohet.fusion.folds import Centres, deal_everybody
from histohet.fusion.mil.networks import Tensors
from histohet.fusion.model_file import (
    FORMAT,
    NETWORK,
    network_in,
    numbers_beside,
    read_model_files,
)
from histohet.fusion.models import Blocks, Fusion, FusionModel, Part, fit_models
from histohet.fusion.settings import FusionSettings


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A model of all blocks, fitted to everybody, and what is known of it.

    Attributes
    ----------
    model
        What predicts.
    fusion
        Its blocks, in order, and how they are fused.
    endpoint
        Whose risk it predicts.
    identities
        What made the columns of each block.
    kinds
        Of each block.
    training
        ``patients``, ``events``, ``competing``; ``predictor``, the lowest and highest log hazard of
        the event; ``horizons`` in months and ``incidence`` by each.
    network
        What says the block ``mil`` of a patient's tiles, where there is one.
    """

    model: FusionModel
    fusion: Fusion
    endpoint: str
    identities: Mapping[str, Mapping[str, str]]
    kinds: Mapping[str, str]
    training: Mapping[str, Any]
    network: Tensors | None = None

    @property
    def name(self) -> str:
        """What tables call it."""
        return (LATE if self.fusion.how == "late" else "") + named(self.fusion.blocks)


def fit_to_all(
    blocks: Blocks,
    outcome: pd.DataFrame,
    settings: FusionSettings,
    seed: int,
    centre: Centres | None = None,
) -> SavedModel:
    """Fit the model of all blocks to all patients, its penalties chosen by folds among them.

    Parameters
    ----------
    blocks, outcome, settings, seed, centre
        As for `histohet.fusion.comparison.compare`.

    Raises
    ------
    FusionError
        If there are too few events.
    """
    time, state = outcome["time_months"].to_numpy(np.float64), outcome["state"].to_numpy(np.int64)
    try:
        split = deal_everybody(outcome, settings, seed, centre)
    except ValueError as error:
        raise FusionError(str(error)) from error
    fusion = Fusion(settings.blocks, settings.combine)
    used = {name: blocks[name].in_split(split) for name in settings.blocks}
    model = fit_models(used, time, state, split.inner, {"": fusion}, filters_of(settings))[""]
    predictor = model.predictors(used)[0]
    curve = aalen_johansen(time, state)
    within = [months for months in sorted(settings.horizons) if months <= time.max()]
    training = {
        "patients": len(time),
        "events": int(np.sum(state == EVENT)),
        "competing": int(np.sum(state == COMPETING)),
        "followed_months": float(time.max()),
        "predictor": [float(predictor.min()), float(predictor.max())],
        "horizons": within,
        "incidence": [curve.by(months).share for months in within],
    }
    return SavedModel(
        model,
        fusion,
        settings.endpoint,
        {name: dict(block.identity) for name, block in used.items()},
        {name: block.kind for name, block in used.items()},
        training,
    )


def write_model(path: str | Path, saved: SavedModel, provenance: Provenance) -> None:
    """Write a model: `path` (``.json``) and the numbers beside it (``.safetensors``)."""
    numbers = numbers_beside(path)
    tensors = {
        "hazards.time": saved.model.hazards.time,
        "hazards.increments": saved.model.hazards.increments,
    }
    for name, tensor in (saved.network or {}).items():
        tensors[NETWORK + name] = tensor
    described = {}
    for name, part in saved.model.parts.items():
        encoding = part.encoding
        tensors |= {
            f"{name}.fill": encoding.fill,
            f"{name}.mean": encoding.mean,
            f"{name}.scale": encoding.scale,
            f"{name}.weights": part.weights,
            f"{name}.indicator": part.indicator,
            f"{name}.penalty": part.penalty,
        }
        described[name] = {
            "kind": saved.kinds[name],
            "made_by": dict(saved.identities[name]),
            "missing_in_training": encoding.missing,
            "columns": list(encoding.columns),
            "levels": list(encoding.levels),
        }
    content = safetensors.numpy.save(
        {name: np.ascontiguousarray(one, np.float64) for name, one in tensors.items()}
    )
    with atomic_path(numbers) as partial:
        partial.write_bytes(content)
    write_json(
        path,
        {
            "format": FORMAT,
            "software": f"histohet {__version__}",
            "endpoint": saved.endpoint,
            "fusion": saved.fusion.how,
            "trained_on": dict(saved.training),
            "blocks": described,
            "numbers": {"file": numbers.name, "sha256": hashlib.sha256(content).hexdigest()},
            "provenance": provenance.as_dict(),
        },
    )


def read_model(path: str | Path) -> SavedModel:
    """Read what `write_model` wrote.

    Raises
    ------
    FusionError
        If a file is none of ours, is damaged, or the two do not belong together.
    """
    about, tensors = read_model_files(path)
    try:
        parts = {name: _part(name, one, tensors) for name, one in about["blocks"].items()}
        hazards = Hazards(tensors["hazards.time"], tensors["hazards.increments"])
        network = network_in(tensors)
        return SavedModel(
            FusionModel(parts, hazards),
            Fusion(tuple(parts), about["fusion"]),
            about["endpoint"],
            {name: one["made_by"] for name, one in about["blocks"].items()},
            {name: one["kind"] for name, one in about["blocks"].items()},
            about["trained_on"],
            network,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise FusionError(f"model {path} is damaged: {error!r}") from error


def _part(name: str, about: Mapping[str, Any], tensors: Mapping[str, Floats]) -> Part:
    encoding = Encoding(
        tuple(about["columns"]),
        tuple(about["levels"]),
        tensors[f"{name}.fill"],
        tensors[f"{name}.mean"],
        tensors[f"{name}.scale"],
        about["missing_in_training"],
    )
    numbers = (tensors[f"{name}.{what}"] for what in ("weights", "indicator", "penalty"))
    return Part(encoding, *numbers)


def apply_model(
    saved: SavedModel, blocks: Blocks, outcome: pd.DataFrame, settings: FusionSettings, seed: int
) -> tuple[Comparison, list[str]]:
    """Predict the risk of patients of another cohort, and say how good that is. Nothing is fitted.

    Parameters
    ----------
    saved
        From `read_model`.
    blocks, outcome, settings, seed
        As for `histohet.fusion.comparison.compare`.

    Returns
    -------
    comparison
        The model beside the incidence of its training patients (`NOTHING`).
    notes
        What of this cohort the model did not know in training.

    Raises
    ------
    FusionError
        If the model does not belong to this cohort (`check_fit`).
    """
    check_fit(saved, blocks, settings)
    horizons = sorted(settings.horizons)
    used = {name: blocks[name] for name in saved.fusion.blocks}
    predictor, n = saved.model.predictors(used)[0], len(outcome)
    known = dict(zip(saved.training["horizons"], saved.training["incidence"], strict=True))
    constant = np.array([[known[months]] * n for months in horizons])
    incidence = [constant, saved.model.incidence(used, horizons).T]
    found = Predictions(
        models={NOTHING: Fusion(()), saved.name: saved.fusion},
        horizons=tuple(horizons),
        fold=np.zeros((1, n), np.int64),
        predictor=np.array([[np.zeros(n)], [predictor]]),
        incidence=np.array(incidence)[:, None],
        fits=empty("fits"),
        kept=empty("kept"),
    )
    comparison = tabulated(
        found, used, saved.name, [(saved.name, NOTHING)], outcome, settings, seed
    )
    return comparison, _notes(saved, used, predictor)


def check_fit(saved: SavedModel, blocks: Blocks, settings: FusionSettings) -> None:
    """Refuse a model that was trained for another endpoint, or with columns of another make.

    Raises
    ------
    FusionError
        Naming what differs.
    """
    if saved.endpoint != settings.endpoint:
        raise FusionError(
            f"the model predicts {saved.endpoint}, this run asks for {settings.endpoint}"
        )
    for name in saved.fusion.blocks:
        if name not in blocks:
            raise FusionError(f"the model needs block '{name}', which is not in fusion.blocks")
        check_make(name, blocks[name].identity, saved.identities[name])
    unknown = [months for months in settings.horizons if months not in saved.training["horizons"]]
    if unknown:
        known = ", ".join(f"{months:g}" for months in saved.training["horizons"]) or "none"
        raise FusionError(f"horizon {unknown[0]:g}: the model was trained for {known} months")


def _notes(saved: SavedModel, blocks: Blocks, predictor: Floats) -> list[str]:
    """Say what the model did not know in training."""
    notes = []
    lowest, highest = saved.training["predictor"]
    beyond = int(np.sum((predictor < lowest) | (predictor > highest)))
    if beyond:
        notes.append(
            f"{beyond} of {len(predictor)} patients have a log hazard outside of the training "
            f"patients' {lowest:.2f} to {highest:.2f}"
        )
    for name, part in saved.model.parts.items():
        encoding, block = part.encoding, blocks[name]
        lacking = int(np.sum(~block.known))
        if lacking and encoding.missing is None:
            notes.append(
                f"{lacking} patients lack block '{name}', which all training patients had: they "
                "count as average"
            )
    return notes
