"""The training of a model that segments CTs."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from histohet.config import Config
from histohet.segmentation.settings import SegmentationTraining
from histohet.segmentation.training_set import (
    TrainingSet,
    TrainingSetError,
    check_folds,
    read_training_set,
)
from plan import paths
from plan.interface import PlanError, Wildcards, with_signature

MEM_MB, MEM_PER_MB = 2500, 60
"""Memory to prepare a case, and more per MB of its file."""

NETWORK = ("configuration", "epochs", "iterations")
"""Keys that the training of a fold depends on, once its cases are prepared."""


@with_signature
class ModelTraining:
    """Files of the section `segmentation_training`: input functions, unless they say otherwise.

    The training set is looked at when it is asked for: only `snakemake train_segmentation` does.

    Raises
    ------
    PlanError
        By methods, if there is no such section, or its training set cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self._settings = config.segmentation_training

    @property
    def _required(self) -> SegmentationTraining:
        if self._settings is None:
            raise PlanError(
                "config: there is no section `segmentation_training`, which names what a "
                "segmentation is trained on (docs/radiopathomics.md)"
            )
        return self._settings

    @cached_property
    def _found(self) -> TrainingSet:
        try:
            found = read_training_set(self._required.dataset)
            check_folds(found, self._required.names_of_folds)
        except TrainingSetError as error:
            raise PlanError(f"config, segmentation_training.dataset: {error}") from error
        return found

    def files(self, wildcards: Wildcards) -> list[str]:
        """Return what the training set says of itself, its images and labels."""
        return self._found.files

    def models(self, wildcards: Wildcards) -> list[str]:
        """Trained networks of all folds."""
        return paths.fill(paths.FOLD["model"], fold=self._required.names_of_folds)

    def histories(self, wildcards: Wildcards) -> list[str]:
        """Losses of all folds, by epoch."""
        return paths.fill(paths.FOLD["history"], fold=self._required.names_of_folds)

    def validations(self, wildcards: Wildcards) -> list[str]:
        """Dice of the held-out cases of all folds."""
        return paths.fill(paths.FOLD["validation"], fold=self._required.names_of_folds)

    def model(self, wildcards: Wildcards) -> str:
        """Return the folder of the model, if its training set can be used."""
        self.files(wildcards)
        return paths.TRAINED_MODEL

    def of_plan(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what the plans depend on."""
        required = self._required
        return {
            "dataset": required.dataset,
            "plan": required.plan,
            "configuration": required.configuration,
        }

    def of_network(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return how networks are trained."""
        return {key: getattr(self._required, key) for key in NETWORK}

    def folds(self, wildcards: Wildcards) -> list[str]:
        """Names of the folds."""
        return self._required.names_of_folds

    def mem_mb(self, wildcards: Wildcards) -> float:
        """Memory that it takes to hold a case, by the largest file."""
        try:
            largest = max(Path(file).stat().st_size for file in self._found.files)
        except OSError:  # for the job to say
            largest = 0
        return MEM_MB + MEM_PER_MB * largest / 1e6

    @property
    def small(self) -> bool:
        """Whether a processor is enough; no input function."""
        return self._settings is not None and self._settings.plan == "small"
