"""Segmentation, and training for it: sections `segmentation` and `segmentation_training`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from histohet.common.settings import FilePath, Settings, Several, Text

AXES = ("RL", "AP", "IS")


def _orientation(code: str) -> str:
    axes = sorted(axis for letter in code for axis in AXES if letter in axis)
    if len(code) != 3 or axes != sorted(AXES):
        raise ValueError(
            f"'{code}' is no orientation: one letter of R or L, one of A or P, one of I or S"
        )
    return code


Orientation = Annotated[
    str,
    Field(json_schema_extra={"pattern": "^[RLAPIS]{3}$"}),
    AfterValidator(_orientation),
]
Fold = Annotated[int, Field(ge=0)]


class SegmentationSettings(Settings):
    """Which model of nnU-Net v2 finds the region in scans whose row names no mask."""

    model: FilePath = Field(
        description="Its folder, as nnU-Net writes it or `snakemake train_segmentation`: "
        "`plans.json`, `dataset.json`, `fold_0/checkpoint_final.pth` … Nothing in it is unpickled."
    )
    label: Text | None = Field(
        None,
        description="Name of the region in its `dataset.json`. Needed if it has several.",
    )
    folds: Literal["all"] | Several[Fold] = Field(
        "all",
        description="Which folds vote: numbers, or all that are there; `fold_all` where there is "
        "no other.",
    )
    step: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Patches are so far apart, in shares of their side (nnU-Net). Fewer are "
        "computed with a larger step, and fewer see each voxel.",
    )
    mirroring: bool = Field(
        False,
        description="Average over the mirror images that the model was trained with, as nnU-Net's "
        "own command does unless told otherwise: with three axes eight times the work.",
    )
    orientation: Orientation = Field(
        "LPS",
        description="Where the axes of the images of its training set point to, in the order x, y, "
        "z: each of right or left, anterior or posterior, inferior or superior. nnU-Net does not "
        "turn what it reads. A model whose plans name a reader that does is given what that reader "
        "gives, whatever stands here.",
    )


N_FOLDS = 5
"""Folds of nnU-Net's cross-validation."""

TrainedFold = Annotated[int, Field(ge=0, lt=N_FOLDS)]


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
    folds: Literal["all"] | Several[TrainedFold] = Field(
        (0, 1, 2, 3, 4),
        description="Which of five models are trained, each of which leaves a fifth of the cases "
        "out, dealt by `seed` or by the `splits_final.json` of the data set; `all`: one on all "
        "cases, none is held out.",
    )

    @property
    def names_of_folds(self) -> list[str]:
        """The folds by the names that nnU-Net's folders have."""
        return ["all"] if self.folds == "all" else list(map(str, self.folds))
