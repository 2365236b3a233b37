"""The model that segments scans without a mask."""

from __future__ import annotations

from functools import cache
from typing import Any

from histohet.config import Config
from histohet.segmentation.model import Model, read_model
from histohet.segmentation.plans import ModelError
from histohet.segmentation.settings import SegmentationSettings
from plan.interface import PlanError, Wildcards, with_signature


@with_signature
class Segmentation:
    """The model of the section `segmentation`: functions of jobs, unless they say otherwise.

    Its files are read when a job asks for them, so that a run without such jobs, or one that is to
    train the model, does without them. They are no inputs: a model is known by its content, and
    `snakemake` alone never trains one.

    Attributes
    ----------
    settings
        The section, if there is one.

    Raises
    ------
    PlanError
        By methods, if the model cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self.settings = config.segmentation
        self._model = cache(self._read)
        self._checksums = cache(self._sum)

    def _required(self) -> SegmentationSettings:
        if self.settings is None:
            raise PlanError("config: there is no section `segmentation`, and so no model")
        return self.settings

    def _read(self) -> Model:
        settings = self._required()
        try:
            return read_model(settings.model, settings.folds)
        except ModelError as error:
            raise PlanError(f"config, {error}") from error

    def _sum(self) -> dict[str, str]:
        try:
            return self._model().checksums()
        except ModelError as error:
            raise PlanError(f"config, {error}") from error

    def model(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the checksums of the files of the model: what it is."""
        return self._checksums()

    def how(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings that a mask depends on beside the model."""
        plain = self._required().canonical()
        return {key: plain[key] for key in ("step", "mirroring", "orientation")}

    @property
    def folder(self) -> str:
        """Folder of the model, "" without one; no input function."""
        return "" if self.settings is None else self.settings.model

    @property
    def n_labels(self) -> int:
        """Labels of the model, without the background; no input function."""
        return len(self._model().labels)

    @property
    def region(self) -> tuple[str, tuple[int, ...]]:
        """Name and labels of the region; no input function."""
        try:
            name = self._model().label_named(self._required().label)
        except ModelError as error:
            raise PlanError(f"config, {error}") from error
        return name, self._model().labels[name]
