"""Which cores are turned, by which encoders."""

from __future__ import annotations

from typing import Any

from histohet.config import Config
from plan import paths
from plan.interface import Files, PlanError, Wildcards, with_signature
from plan.paths import fill
from plan.slides import Slides
from plan.variants import encoder_id


@with_signature
class Rotation:
    """Files of section `rotation`: input functions of rules, unless they say otherwise.

    Attributes
    ----------
    cores
        Slides that are turned; none without the section.
    encoders
        Names of the encoders that are compared.

    Raises
    ------
    PlanError
        If a core is not in the sheet or brings finished features, an encoder comes twice or has
        tokens, or shared clusters are wanted and all cores are of one patient.
    """

    def __init__(self, config: Config, slides: Slides) -> None:
        self._settings = config.rotation
        self._slides = slides
        self._sheet = config.slides
        self.cores = self._chosen()
        encoders = () if config.rotation is None else config.rotation.encoders
        self.encoders = [encoder_id(one) for one in encoders]
        self._check()
        if encoders and any(one.dense is not None for one in (config.encoder, *encoders)):
            raise PlanError(
                "config, rotation: whole tiles are turned, and encoder.dense puts tokens in their "
                "place: leave one of them out"
            )

    def _chosen(self) -> list[str]:
        if self._settings is None:
            return []
        wanted = self._settings.cores
        if wanted == "first":
            return [slides[0] for slides in self._slides.patients.values()]
        return list(self._slides.rows) if wanted == "all" else list(wanted)

    def _check(self) -> None:
        for slide in self.cores:
            if slide not in self._slides.rows:
                raise PlanError(f"config, rotation.cores: slide '{slide}' is not in {self._sheet}")
            if self._slides.is_imported(slide):
                raise PlanError(
                    f"config, rotation.cores: slide '{slide}' brings finished features, and pixels "
                    "are turned: name other slides"
                )
        twice = [name for name in self.encoders if self.encoders.count(name) > 1]
        if twice:
            raise PlanError(f"config, rotation.encoders: '{twice[0]}' comes twice")
        if self._shares and len(set(self.patients.values())) == 1:
            raise PlanError(
                "config, rotation.folds: clusters that are fitted to some patients and applied to "
                f"others need two patients, and all cores are of '{self.patients[self.cores[0]]}': "
                "turn more cores, or set folds to null"
            )

    @property
    def _shares(self) -> bool:
        return self._settings is not None and self._settings.folds is not None

    @property
    def patients(self) -> dict[str, str]:
        """Whose the cores are."""
        return {slide: self._slides.rows[slide].patient for slide in self.cores}

    @property
    def angles(self) -> list[float]:
        """By how much tiles are turned."""
        return [] if self._settings is None else self._settings.views

    @property
    def comparison(self) -> dict[str, Any]:
        """How clusters are compared; which encoders and cores there are does not matter to it."""
        return {} if self._settings is None else self._settings.comparison.canonical()

    def wanted(self, wildcards: Wildcards) -> list[str]:
        """Return what the stage makes; nothing without the section."""
        if self._settings is None:
            return []
        return [paths.CONSISTENCY, *fill(paths.TURNED_PICTURE, slide=self.cores)]

    def truth(self, wildcards: Wildcards) -> Files:
        """Known labels of the tiles of a core, if the sheet names any."""
        return self._slides.with_truth.get(wildcards.slide, [])

    @property
    def truths(self) -> dict[str, str]:
        """Known labels of the tiles of all cores that have any."""
        known = self._slides.with_truth
        return {slide: known[slide] for slide in self.cores if slide in known}

    def turned(self, wildcards: Wildcards) -> list[str]:
        """Return what an encoder makes of the turned tiles of all cores."""
        return fill(paths.TURNED, encoder=wildcards.encoder, slide=self.cores)

    def labels(self, wildcards: Wildcards) -> list[str]:
        """Labels of a core, of every encoder."""
        return fill(paths.TURNED_LABELS, encoder=self.encoders, slide=wildcards.slide)

    def tables(self, wildcards: Wildcards) -> list[str]:
        """Comparisons of all cores, by every encoder."""
        return fill(paths.CORE_CONSISTENCY, encoder=self.encoders, slide=self.cores)

    def shared(self, wildcards: Wildcards) -> list[str]:
        """Comparisons under clusters that are shared between patients, by every encoder."""
        return fill(paths.SHARED_CONSISTENCY, encoder=self.encoders if self._shares else [])
