"""What has to be known to run an encoder."""

from __future__ import annotations

from math import ceil
from typing import Any, Literal

from pydantic import Field, model_validator

from histohet.common.settings import FilePath, Name, Settings
from histohet.encoders.settings import (
    ChannelStatistics,
    HubFile,
    Kind,
    Layer,
    Normalisation,
    PackageFile,
    Pooling,
    Precision,
    Symmetry,
)

Layout = Literal["timm", "dinov2", "old_swin", "efficientnet_pytorch"]

NORMALISATIONS = {
    "imagenet": ChannelStatistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "half": ChannelStatistics(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
}

ABOUT = {
    "weights",
    "licence",
    "gated",
    "reference",
    "checked",
    "n_parameters",
    "sha256",
    "layers",
    "position_px",
}
"""What an entry says about an encoder, and embeddings do not depend on."""


WITHOUT_MAP = {"conch_v1_5", "stain_texture"}
"""Models, and kinds, that give one vector for a tile and none for its parts."""


class EncoderError(ValueError):
    """An encoder cannot be used as configured; the message says which setting and why."""


def without_map(name: str) -> str:
    """Say that an encoder gives nothing for the parts of a tile."""
    return f"encoder '{name}' gives one vector for a tile and none for its parts"


class NetworkLayer(Settings):
    """A layer of a convolutional network whose map can be averaged in place of the last."""

    stage: int = Field(ge=0, description="Counted from 0, as timm's `feature_info` lists them.")
    width: int = Field(ge=1, description="Its channels.")
    position_px: int = Field(ge=1, description="Side of what one of its positions covers, px.")


class EncoderEntry(Settings):
    """What has to be known to run an encoder: an entry of ``resources/encoders.yaml``."""

    name: Name = Field(description="Under which it is configured and its features are kept.")
    kind: Kind = Field("timm", description="What runs it, one of `make.KINDS`.")
    model: str = Field("", description="timm architecture, or one of `networks.ARCHITECTURES`.")
    arguments: dict[str, Any] = Field(
        {},
        description="Further arguments of the architecture. Layers are named by their place, such "
        "as `timm.layers.SwiGLUPacked`.",
    )
    pooling: Pooling | Literal["positions"] = Field(
        "own",
        description="`own`: what the model returns without its classifier (the class token of a "
        "vision transformer, the mean of a Swin transformer or a convolutional network, the "
        "attentional pooling of CONCH). `class_token_and_mean`: the class token, then the mean of "
        "the tokens of the patches (without registers). `positions`: see `of_positions`.",
    )
    width: int = Field(ge=1, description="Length of an embedding.")
    stage: int | None = Field(
        None,
        ge=0,
        description="Of a convolutional network, whose map is averaged, see `NetworkLayer`; null: "
        "the last, and what follows it.",
    )
    position_px: int | None = Field(
        None,
        ge=1,
        description="Side of what a position of its map covers, px; null if it has none, or it is "
        "not known.",
    )
    layers: dict[Layer, NetworkLayer] = Field(
        {}, description="What `encoder.layer` may choose in place of `stage` and `width`."
    )
    normalisation: Normalisation = Field(description="Of the channels, RGB in 0 to 1.")
    input_px: int | None = Field(
        224,
        ge=1,
        description="Side of the tiles it was published for, and takes; null if any that the model "
        "accepts.",
    )
    multiple_px: int = Field(
        1,
        ge=1,
        description="The side of its tiles is a multiple of this; of others it would not give the "
        "same for turned tiles.",
    )
    precision: Precision = Field(
        "float32",
        description="In which it computes on a GPU (autocast). On a CPU it is always float32.",
    )
    symmetry: Symmetry = Field(
        "none", description="`d4`: the mean over the turns and mirror images of a tile."
    )
    layout: Layout = Field(
        "timm",
        description="Names of the parameters in the published file, one of `checkpoints.LAYOUTS`.",
    )
    weights: HubFile | PackageFile | FilePath | None = Field(
        None,
        description="Where the weights are published: on the hub, in a package; or a local file.",
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="Of the published file, where another file of the same layout could be taken "
        "for it.",
    )
    n_parameters: int | None = Field(
        None, description="Without classifier and without what only training uses."
    )
    licence: str | None = Field(None, description="Of the weights.")
    gated: bool | None = Field(
        None, description="Whether the hub hands the weights out only after terms are accepted."
    )
    reference: str | None = Field(None, description="Paper or model card.")
    checked: str | None = Field(
        None, description="How the layout of the published file was checked; null if it was not."
    )

    @model_validator(mode="after")
    def _check(self) -> EncoderEntry:
        if self.needs_torch and not self.model:
            raise ValueError(f"an encoder of kind '{self.kind}' needs a 'model'")
        return self

    @property
    def channels(self) -> ChannelStatistics:
        """Means and standard deviations of the channels."""
        if isinstance(self.normalisation, str):
            return NORMALISATIONS[self.normalisation]
        return self.normalisation

    @property
    def needs_torch(self) -> bool:
        """Whether PyTorch, weights and preferably a GPU are needed."""
        return self.kind != "stain_texture"

    def parameters(self) -> dict[str, Any]:
        """Return what embeddings depend on, as plain values; the weights are pinned apart."""
        return {key: value for key, value in self.canonical().items() if key not in ABOUT}

    @property
    def has_map(self) -> bool:
        """Whether it gives vectors of the parts of a tile, see `base.DenseEncoder`."""
        return not {self.kind, self.model} & WITHOUT_MAP

    def of_positions(self) -> EncoderEntry:
        """Return the encoder whose embedding is the mean of what it gives for positions alone.

        Positions are the patch tokens of a vision transformer, those of the last map of a Swin
        transformer or convolutional network, or of that of `stage`. A class token, which has looked
        at the whole tile, has no part in it. Where the epithelium comes as a fourth channel, each
        position is weighted by the share of its cell that is epithelium.

        Raises
        ------
        EncoderError
            If it gives nothing for positions.
        """
        if not self.has_map:
            raise EncoderError(without_map(self.name))
        parts = 2 if self.pooling == "class_token_and_mean" else 1
        return self.model_copy(update={"pooling": "positions", "width": self.width // parts})

    def of_epithelium(self) -> EncoderEntry:
        """Return the encoder that pools only what lies in the epithelium of a tile.

        See `of_positions`; `stain_texture` looks at no other pixels as it is.

        Raises
        ------
        EncoderError
            If it gives nothing for positions.
        """
        if self.kind == "stain_texture":
            return self
        try:
            return self.of_positions()
        except EncoderError as error:
            raise EncoderError(
                f"{error}, so that only the epithelium cannot be pooled: set epithelium.fill to "
                "zero, white or none"
            ) from error

    def of_tokens(self) -> EncoderEntry:
        """Return the encoder whose vectors of parts of a tile are kept, see `of_positions`.

        Raises
        ------
        EncoderError
            If it gives nothing for positions.
        """
        try:
            return self.of_positions()
        except EncoderError as error:
            small = "; it takes small tiles as they are" if self.kind == "stain_texture" else ""
            raise EncoderError(
                f"{error}, so that there are no tokens: leave encoder.dense out{small}"
            ) from error

    def check_tokens(self, tile_px: int, tokens: int) -> None:
        """Check that a tile has enough positions, where that is known.

        Parameters
        ----------
        tokens
            Along its side.

        Raises
        ------
        EncoderError
            If there are fewer positions than tokens.
        """
        if self.position_px is not None and ceil(tile_px / self.position_px) < tokens:
            raise EncoderError(
                f"encoder '{self.name}' has a position for every {self.position_px} px, too few "
                f"for {tokens} × {tokens} tokens of a tile of {tile_px} px: larger tokens are "
                "needed (encoder.dense.tokens_um)"
            )

    def check_tile_px(self, tile_px: int) -> None:
        """Check that the encoder takes tiles of this side.

        Raises
        ------
        EncoderError
            If it was published for another one, or would not be as symmetric as it promises.
        """
        if tile_px % self.multiple_px:
            raise EncoderError(
                f"encoder '{self.name}' is the same for turned tiles only where their side is a "
                f"multiple of {self.multiple_px} px, not of {tile_px} px: set tiles.tile_px to "
                f"{round(tile_px / self.multiple_px) * self.multiple_px}"
            )
        if self.input_px not in (None, tile_px):
            raise EncoderError(
                f"encoder '{self.name}' takes tiles of {self.input_px} px, not of {tile_px} px: "
                f"set tiles.tile_px to {self.input_px} (tiles.tile_um stays what a tile covers)"
            )
