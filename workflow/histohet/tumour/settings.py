"""Which clusters are tumour, and where attention comes from: sections `tumour` and `attention`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from histohet.common.settings import FilePath, Settings, Text
from histohet.encoders.settings import EncoderOrName, EncoderSettings


class TumourSettings(Settings):
    """How attention becomes a choice of tumour clusters."""

    attention_tile_um: float = Field(
        256,
        gt=0,
        description="Side of the tiles in the attention files of the sheet, µm (CHIEF: 256 px at "
        "10x).",
    )
    threshold: float | Text = Field(
        "otsu",
        description="Clusters with a higher score are tumour: `otsu` over the clusters of all "
        "slides (HETMAP), a number, or the threshold file of another run "
        "(`results/cohort/thresholds/…json`): learned on one cohort, applied to this one.",
    )


class AttentionSettings(Settings):
    """Whether slides without attention of their own are scored by CHIEF; all of it is drawn."""

    source: Literal["sheet", "chief"] = Field(
        alias="from",
        description="`chief`: slides for which the sheet names no `attention` are scored by CHIEF "
        "(docs/tumour.md). `sheet`: attention of the sheet only. Either way it is drawn, in "
        "`results/attention`.",
    )
    checkpoint: FilePath | None = Field(
        None,
        description="CHIEF's network, `CHIEF_pretraining.pth`, needed for `from: chief`.",
    )
    encoder: EncoderOrName = Field(
        EncoderSettings(name="ctranspath_chief"),
        description="Encoder of CHIEF's tiles: a name of the catalogue, or a section like "
        "`encoder`. CHIEF's CTransPath is not the original one.",
    )

    @model_validator(mode="after")
    def _complete(self) -> AttentionSettings:
        if self.source == "chief" and self.checkpoint is None:
            raise ValueError("`from: chief` needs CHIEF's network: its 'checkpoint' is missing")
        if self.encoder.dense is not None:
            raise ValueError(
                "CHIEF takes one vector for a tile: leave 'dense' out of its 'encoder'"
            )
        return self
