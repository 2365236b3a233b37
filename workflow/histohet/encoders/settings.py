"""Settings of encoders: sections `encoder` and `encoding`, and `encoder` of section `attention`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from histohet.common.settings import FilePath, Name, Settings, Text

Kind = Literal["timm", "stain_texture", "sre_resnet18"]
Pooling = Literal["own", "class_token_and_mean"]
Precision = Literal["float32", "bfloat16", "float16"]
Symmetry = Literal["none", "d4"]
Layer = Literal["mid", "deep"]


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError(f"a kernel of {side} × {side} has no centre: its side must be odd")
    return side


Odd = Annotated[int, Field(ge=3), AfterValidator(_odd)]
Shares = tuple[float, float, float]
Positive = Annotated[float, Field(gt=0)]

REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")

OWN_DESCRIPTION = ("model", "width", "normalisation", "pooling", "precision", "arguments")
"""Keys that describe a model; a name of the catalogue stands for all of them."""

RING_KERNELS = ("kernels", "first")
"""Keys that describe the ring kernels of `sre_resnet18`."""


class ChannelStatistics(Settings):
    """Means and standard deviations of red, green and blue, each in 0 to 1."""

    mean: Shares = Field(description="Means.")
    std: tuple[Positive, Positive, Positive] = Field(description="Standard deviations.")


Normalisation = Literal["imagenet", "half"] | ChannelStatistics


class HubFile(Settings):
    """A file on the Hugging Face hub."""

    repository: Text = Field(description="`owner/name` of a model repository.")
    file: Text = Field(description="Path of the file in it.")
    revision: str | None = Field(
        None,
        description="Commit, 40 hexadecimal digits; without it the newest at the first "
        "`snakemake prefetch`, and the same from then on.",
        json_schema_extra={"pattern": f"^{COMMIT.pattern}$"},
    )

    @model_validator(mode="after")
    def _check(self) -> HubFile:
        if not REPOSITORY.fullmatch(self.repository):
            raise ValueError(
                f"'{self.repository}' is not a repository of the Hugging Face hub; owner/name is "
                "expected, as in the address of its page"
            )
        path = PurePosixPath(self.file)
        if path.is_absolute() or ".." in path.parts or "\\" in self.file:
            raise ValueError(
                f"'{self.file}' is not a path inside {self.repository}; name the file as the "
                "repository lists it"
            )
        if self.revision is not None and not COMMIT.fullmatch(self.revision):
            raise ValueError(
                f"revision '{self.revision}' of {self.repository} is not a commit (40 hexadecimal "
                "digits); branches and tags move: leave the revision out to pin the newest commit "
                "at the first `snakemake prefetch`"
            )
        return self

    @property
    def key(self) -> str:
        """Name in the lock, and in messages."""
        return f"{self.repository}/{self.file}"


class PackageFile(Settings):
    """A file in a Python package that is installed with the encoders' requirements."""

    package: Name = Field(description="As Python imports it.")
    file: Text = Field(description="Path of the file in it.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of its content.")


class DenseSettings(Settings):
    """Vectors of parts of a tile."""

    tokens_um: float = Field(
        ge=1,
        description="Side of the parts of a tile that have a vector each, µm; `tiles.tile_um` is a "
        "multiple of it, and the network has at least as many positions (docs/encoders.md).",
    )
    margin: int = Field(
        1,
        ge=0,
        description="So many tokens at each side of a tile are seen and not kept; tiles overlap by "
        "as much, so that each is kept once. Near the edge of what it sees a network gives other "
        "numbers: without a margin maps show the lattice of the tiles.",
    )


class EncoderSettings(Settings):
    """What turns tiles into vectors: a name of the catalogue, or a model described in full."""

    name: Name = Field(
        "stain_texture",
        description="An encoder of docs/encoders.md: `stain_texture` (statistics of colour, "
        "texture and nuclei; needs no weights; a stand-in), `uni`, `uni2h` (HETMAP), `virchow2`, … "
        "With `kind` any name: it names the features in `results/features/<name>`, so a new name "
        "keeps the old features.",
    )
    kind: Kind | None = Field(
        None,
        description="Only for what is not in the catalogue: `timm` (any timm model, described by "
        "the keys below), or `stain_texture` or `sre_resnet18` under another name.",
    )
    layer: Layer | None = Field(
        None,
        description="Only for `efficientnet_lite0`: which of its layers makes the embedding, "
        "`deep` (the default) or `mid`.",
    )
    symmetry: Symmetry = Field(
        "none",
        description="`d4`: mean embedding over the eight turns and mirror images of a tile, so "
        "that it does not matter how the tissue lay on the glass; eight times the work.",
    )
    dense: DenseSettings | None = Field(
        None,
        description="Optional: tiles are encoded as ever, and then parts of them, tokens, are what "
        "is clustered, measured and drawn in their place: finer maps, by what a network gives for "
        "positions. The same for all variants.",
    )
    kernels: tuple[Odd, Odd, Odd, Odd] | None = Field(
        None,
        description="Only for `sre_resnet18`: sides of the kernels of its four stages; `[9, 9, 5, "
        "5]` without.",
    )
    first: Odd | None = Field(
        None,
        description="Only for `sre_resnet18`: side of the kernel of its first layer; 7 without.",
    )
    checkpoint: FilePath | None = Field(
        None,
        description="Local weights in place of the hub's: `.safetensors`, or a state dict in "
        "`.pth`, `.pt`, `.bin`, read without unpickling.",
    )
    weights: HubFile | None = Field(
        None,
        description="A file on the Hugging Face hub, in place of the one that docs/encoders.md "
        "names; fetched by `snakemake prefetch`.",
    )
    model: Text | None = Field(None, description="Kind `timm`: architecture.")
    width: int | None = Field(None, ge=1, description="Kind `timm`: length of an embedding.")
    normalisation: Normalisation | None = Field(
        None, description="Kind `timm`: `imagenet`, `half`, or `{mean: [r, g, b], std: [r, g, b]}`."
    )
    pooling: Pooling | None = Field(
        None,
        description="Kind `timm`: `own` (what the model returns; the default) or "
        "`class_token_and_mean` (class token, then mean of the patches).",
    )
    precision: Precision | None = Field(
        None, description="Kind `timm`: on a GPU; float32 by default, and always on a CPU."
    )
    arguments: dict[str, Any] | None = Field(
        None, description="Kind `timm`: further arguments of `timm.create_model`."
    )

    @model_validator(mode="after")
    def _check(self) -> EncoderSettings:
        is_sre = "sre_resnet18" in (self.kind, self.name)
        for key in RING_KERNELS:
            if getattr(self, key) is not None and not is_sre:
                raise ValueError(f"'{key}' has a place only beside the encoder 'sre_resnet18'")
        if self.kind in ("timm", "sre_resnet18") and "name" not in self.model_fields_set:
            raise ValueError(f"kind '{self.kind}' needs 'name'")
        given = [key for key in OWN_DESCRIPTION if getattr(self, key) is not None]
        if self.kind != "timm":
            if given:
                raise ValueError(
                    f"'{given[0]}' has no place beside a name of the catalogue; `kind: timm` "
                    "describes a model in full, under a name of its own"
                )
            return self
        missing = [key for key in ("model", "width", "normalisation") if key not in given]
        if missing:
            raise ValueError(f"kind 'timm' needs '{missing[0]}'")
        if (self.checkpoint is None) == (self.weights is None):
            raise ValueError(
                "kind 'timm' needs either 'checkpoint' (a local file) or 'weights' (of the hub)"
            )
        return self


def _by_name(value: object) -> object:
    """Return a section for a name that stands for it."""
    return {"name": value} if isinstance(value, str) else value


def _named(encoder: EncoderSettings) -> EncoderSettings:
    if "name" not in encoder.model_fields_set:
        raise ValueError("its 'name' is missing")
    return encoder


EncoderOrName = Annotated[
    EncoderSettings,
    BeforeValidator(_by_name, json_schema_input_type=str | EncoderSettings),
    AfterValidator(_named),
]
"""A section like `encoder`, or a name of the catalogue, which stands for ``{name: …}``."""


class EncodingSettings(Settings):
    """How tiles are read from a slide for their encoder."""

    resampling: Literal["bilinear", "bicubic", "lanczos", "box", "nearest", "paper"] = Field(
        "bilinear",
        description="How pixels of the slide become pixels of a tile. `bilinear`, `bicubic`, "
        "`lanczos`, `box` (area), all antialiased, and `nearest`: from the coarsest level that is "
        "fine enough to the exact, usually fractional, scale; then pixels outside the mask are "
        "filled. `paper`: a whole number of level-0 pixels, filled first, then brought to size by "
        "the nearest pixel: 448 px at 40x become every second one (HETMAP, with "
        "`epithelium.fill: zero`).",
    )
    max_bad_tiles: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of the tiles of a slide that may be undecodable. They are left out and "
        "recorded (docs/outputs.md); beyond it the slide is `unreadable`, as it is where the "
        "tissue, or our own epithelium, is sought in a part that cannot be decoded. 0 tolerates "
        "none.",
    )
    stage: str = Field(
        "",
        description="Folder on a disk of the node to which a slide is copied for as long as it is "
        "read, such as `$TMPDIR`: worth it where slides lie on slow network storage. MRXS slides "
        "are copied with their folder; formats of several files that only OpenSlide can tell "
        "(DICOM series, Hamamatsu VMS and VMU, Trestle), and slides that do not fit, are read "
        "where they lie, and the log says so.",
    )
