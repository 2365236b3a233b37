"""What has to be known to run an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from histohet.encoders.base import EncoderError
from histohet.encoders.weights import WeightsSource

Rgb = tuple[float, float, float]
Pooling = Literal["own", "class_token_and_mean"]
Precision = Literal["float32", "bfloat16", "float16"]
Layout = Literal["timm", "dinov2", "old_swin"]

IMAGENET: tuple[Rgb, Rgb] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: tuple[Rgb, Rgb] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NORMALISATIONS = {"imagenet": IMAGENET, "half": HALF}
"""Channel means and standard deviations by name, for RGB in 0 to 1."""

NEEDS_NO_MODEL = "stain_texture"


@dataclass(frozen=True)
class EncoderEntry:
    """What has to be known to run an encoder.

    Attributes
    ----------
    name
        Name under which it is configured and its features are kept.
    model
        timm architecture, or one of `architectures.ARCHITECTURES`.
    arguments
        Further arguments of the architecture. Layers are named by their place, such as
        ``timm.layers.SwiGLUPacked``.
    pooling
        ``own``: what the model returns without its classifier (the class token of a vision
        transformer, the mean of a Swin transformer or a convolutional network, the attentional
        pooling of CONCH). ``class_token_and_mean``: the class token, then the mean of the tokens of
        the patches (without registers).
    weights
        Where the weights are published; None where only a local file will do.
    input_px
        Side of the tiles it was published for, and takes; None if any that the model accepts.
    mean, std
        Of the channels, RGB in 0 to 1.
    width
        Length of an embedding.
    n_parameters
        Of the encoder without classifier and without what only training uses; None if unknown.
    precision
        In which it computes on a GPU (autocast). On a CPU it is always float32.
    licence, gated
        Of the weights, and whether the hub hands them out only after terms are accepted; None if
        unknown.
    reference
        Paper or model card.
    layout
        Names of the parameters in the published file, one of `layouts.LAYOUTS`.
    checked
        How the layout of the published file was checked; None if it was not.
    sha256
        Of the published file, where another file of the same layout could be taken for it.
    """

    name: str
    model: str
    weights: WeightsSource | None
    width: int
    normalisation: tuple[Rgb, Rgb]
    n_parameters: int | None = None
    input_px: int | None = 224
    arguments: Mapping[str, Any] = field(default_factory=dict)
    pooling: Pooling = "own"
    precision: Precision = "float32"
    licence: str | None = None
    gated: bool | None = None
    reference: str | None = None
    layout: Layout = "timm"
    checked: str | None = None
    sha256: str | None = None

    @property
    def mean(self) -> Rgb:
        """Mean of the channels."""
        return self.normalisation[0]

    @property
    def std(self) -> Rgb:
        """Standard deviation of the channels."""
        return self.normalisation[1]

    @property
    def needs_torch(self) -> bool:
        """Whether PyTorch, weights and preferably a GPU are needed."""
        return self.model != NEEDS_NO_MODEL

    def check_tile_px(self, tile_px: int) -> None:
        """Check that the encoder takes tiles of this side.

        Raises
        ------
        EncoderError
            If it was published for another one.
        """
        if self.input_px not in (None, tile_px):
            raise EncoderError(
                f"encoder '{self.name}' takes tiles of {self.input_px} px, not of {tile_px} px: "
                f"set tiles.tile_px to {self.input_px} (tiles.tile_um stays what a tile covers)"
            )
