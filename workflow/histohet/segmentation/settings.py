"""Segmentation of CTs, and the training of models for it: the sections of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from histohet.common.settings import FilePath, Settings, Several

N_FOLDS = 5
"""Folds of nnU-Net's cross-validation."""

Fold = Annotated[int, Field(ge=0, lt=N_FOLDS)]


class SegmentationTraining(Settings):
    """What `snakemake train_segmentation` trains, and on what: nnU-Net's names and defaults."""

    dataset: FilePath = Field(
        description="Folder in nnU-Net's raw layout, called `DatasetNNN_Name`, with "
        "`imagesTr/<case>_0000.nii.gz`, `labelsTr/<case>.nii.gz` and `dataset.json`, which has one "
        "channel, `CT`."
    )
    configuration: Literal["3d_fullres", "3d_lowres", "2d"] = Field(
        "3d_fullres",
        description="Which of the networks that nnU-Net plans. `3d_lowres` is planned of large "
        "scans alone.",
    )
    plan: Literal["default", "small"] = Field(
        "default",
        description="`default`: nnU-Net's own for a GPU of 8 GB. `small`: three or so stages of 8 "
        "to 32 features, which a processor trains in minutes, for trying things out.",
    )
    epochs: int = Field(1000, ge=1, description="The learning rate falls to 0 at their end.")
    iterations: int = Field(
        250, ge=1, description="Batches of an epoch; a fifth as many validate it."
    )
    folds: Literal["all"] | Several[Fold] = Field(
        (0, 1, 2, 3, 4),
        description="Which of five models are trained, each of which leaves a fifth of the cases "
        "out, dealt by `seed`; `all`: one on all cases, none is held out.",
    )

    @property
    def names_of_folds(self) -> list[str]:
        """The folds by the names that nnU-Net's folders have."""
        return ["all"] if self.folds == "all" else list(map(str, self.folds))
