"""The encoders that are known by name, and how a configuration describes another one.

An entry is all that has to be known to run an encoder; adding one needs no other code as long as
timm builds its architecture and writes its parameter names. None of the published files could be
opened where this was written. What was checked instead stands in `checked`, entry by entry;
docs/encoders.md says what that is worth. Nothing here imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from histohet.encoders.base import EncoderError
from histohet.weights import WeightsSource

Rgb = tuple[float, float, float]
Pooling = Literal["own", "class_token_and_mean"]
Precision = Literal["float32", "bfloat16", "float16"]
Layout = Literal["timm", "dinov2", "old_swin"]

IMAGENET: tuple[Rgb, Rgb] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: tuple[Rgb, Rgb] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NORMALISATIONS = {"imagenet": IMAGENET, "half": HALF}
"""Channel means and standard deviations by name, for RGB in 0 to 1."""

H_OPTIMUS: tuple[Rgb, Rgb] = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
LUNIT: tuple[Rgb, Rgb] = (
    (0.70322989, 0.53606487, 0.66096631),
    (0.21716536, 0.26081574, 0.20723464),
)

NEEDS_NO_MODEL = "stain_texture"
OWN_DESCRIPTION = ("model", "width", "normalisation", "arguments", "pooling", "precision")
"""Settings that describe a model; a name in the catalogue stands for all of them."""


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


NON_COMMERCIAL = "CC-BY-NC-ND-4.0"
H_OPTIMUS_ARGUMENTS = {"img_size": 224, "init_values": 1e-5, "dynamic_img_size": False}
CTRANSPATH_ARGUMENTS = {"embed_layer": "histohet.encoders.architectures.ConvStem"}
STRICT = "public loader (TRIDENT) loads the file strictly into this architecture"

ENTRIES = (
    EncoderEntry(
        NEEDS_NO_MODEL,
        NEEDS_NO_MODEL,
        weights=None,
        width=53,
        normalisation=HALF,
        n_parameters=0,
        input_px=None,
        licence="MIT",
        gated=False,
        reference="docs/encoders.md",
        checked="has no weights",
    ),
    EncoderEntry(
        "uni",
        "vit_large_patch16_224",
        weights=WeightsSource("MahmoodLab/UNI", "pytorch_model.bin", None),
        width=1024,
        normalisation=IMAGENET,
        n_parameters=303_350_784,
        arguments={"init_values": 1e-5, "dynamic_img_size": True},
        precision="float16",
        licence=NON_COMMERCIAL,
        gated=True,
        reference="Chen et al., Nature Medicine 2024, 10.1038/s41591-024-02857-3",
        checked=f"{STRICT}; number of parameters; size of the file",
    ),
    EncoderEntry(
        "uni2h",
        "vit_giant_patch14_224",
        weights=WeightsSource("MahmoodLab/UNI2-h", "pytorch_model.bin", None),
        width=1536,
        normalisation=IMAGENET,
        n_parameters=681_394_176,
        arguments={
            "img_size": 224,
            "patch_size": 14,
            "depth": 24,
            "num_heads": 24,
            "init_values": 1e-5,
            "embed_dim": 1536,
            "mlp_ratio": 5.33334,
            "no_embed_class": True,
            "mlp_layer": "timm.layers.SwiGLUPacked",
            "act_layer": "torch.nn.SiLU",
            "reg_tokens": 8,
            "dynamic_img_size": True,
        },
        precision="bfloat16",
        licence=NON_COMMERCIAL,
        gated=True,
        reference="Chen et al., Nature Medicine 2024, 10.1038/s41591-024-02857-3; card of UNI2-h",
        checked=f"{STRICT}; number of parameters; size of the file",
    ),
    EncoderEntry(
        "virchow2",
        "vit_huge_patch14_224",
        weights=WeightsSource("paige-ai/Virchow2", "model.safetensors", None),
        width=2560,
        normalisation=IMAGENET,
        n_parameters=631_239_424,
        arguments={
            "img_size": 224,
            "init_values": 1e-5,
            "mlp_ratio": 5.3375,
            "mlp_layer": "timm.layers.SwiGLUPacked",
            "act_layer": "torch.nn.SiLU",
            "reg_tokens": 4,
            "dynamic_img_size": True,
        },
        pooling="class_token_and_mean",
        precision="float16",
        licence=NON_COMMERCIAL,
        gated=True,
        reference="Zimmermann et al. 2024, arXiv:2408.00738",
        checked=f"{STRICT}; number of parameters; size of the file",
    ),
    EncoderEntry(
        "h_optimus_0",
        "vit_giant_patch14_reg4_dinov2",
        weights=WeightsSource("bioptimus/H-optimus-0", "pytorch_model.bin", None),
        width=1536,
        normalisation=H_OPTIMUS,
        n_parameters=1_134_774_272,
        arguments=H_OPTIMUS_ARGUMENTS,
        precision="float16",
        licence="Apache-2.0",
        gated=True,
        reference="Saillard et al. 2024, https://github.com/bioptimus/releases",
        checked=f"{STRICT}; number of parameters",
    ),
    EncoderEntry(
        "h_optimus_1",
        "vit_giant_patch14_reg4_dinov2",
        weights=WeightsSource("bioptimus/H-optimus-1", "pytorch_model.bin", None),
        width=1536,
        normalisation=H_OPTIMUS,
        n_parameters=1_134_774_272,
        arguments=H_OPTIMUS_ARGUMENTS,
        precision="float16",
        licence=NON_COMMERCIAL,
        gated=True,
        reference="card of bioptimus/H-optimus-1",
        checked=f"{STRICT}; number of parameters",
    ),
    EncoderEntry(
        "gigapath",
        "vit_giant_patch14_dinov2",
        weights=WeightsSource("prov-gigapath/prov-gigapath", "pytorch_model.bin", None),
        width=1536,
        normalisation=IMAGENET,
        n_parameters=1_134_953_984,
        arguments={
            "img_size": 224,
            "patch_size": 16,
            "init_values": 1e-5,
            "mlp_ratio": 5.33334,
        },
        precision="float16",
        licence="Apache-2.0; the card limits it to research",
        gated=True,
        reference="Xu et al., Nature 2024, 10.1038/s41586-024-07441-w (tile encoder)",
        checked=f"{STRICT}; number of parameters; size of the file",
    ),
    EncoderEntry(
        "phikon_v2",
        "vit_large_patch16_224",
        weights=WeightsSource("owkin/phikon-v2", "model.safetensors", None),
        width=1024,
        normalisation=IMAGENET,
        n_parameters=303_350_784,
        arguments={"init_values": 1.0},
        licence="Owkin non-commercial",
        gated=False,
        reference="Filiot et al. 2024, arXiv:2409.09173",
        layout="dinov2",
        checked="config.json on the hub (transformers' Dinov2Model); number of parameters; size of "
        "the file",
    ),
    EncoderEntry(
        "conch_v1_5",
        "conch_v1_5",
        weights=WeightsSource("MahmoodLab/conchv1_5", "pytorch_model_vision.bin", None),
        width=768,
        normalisation=IMAGENET,
        n_parameters=306_109_184,
        input_px=448,
        precision="float16",
        licence=NON_COMMERCIAL,
        gated=True,
        reference="Ding et al. 2024, arXiv:2411.19666 (TITAN)",
        checked="names in copies of TITAN's own loader, which is strict; number of parameters",
    ),
    EncoderEntry(
        "ctranspath",
        "swin_tiny_patch4_window7_224",
        weights=WeightsSource(
            "1aurent/swin_tiny_patch4_window7_224.CTransPath", "model.safetensors", None
        ),
        width=768,
        normalisation=IMAGENET,
        n_parameters=27_520_038,
        arguments=CTRANSPATH_ARGUMENTS,
        licence="GPL-3.0; the authors limit it to non-commercial academic use",
        gated=False,
        reference="Wang et al., Medical Image Analysis 2022, 10.1016/j.media.2022.102559",
        layout="old_swin",
        checked="public loader (STAMP) loads ctranspath.pth strictly into this architecture in "
        "timm 0.5.4; the copy on the hub is only known to have the same names",
        sha256="7c998680060c8743551a412583fac689db43cec07053b72dfec6dcd810113539",
    ),
    EncoderEntry(
        "ctranspath_chief",
        "swin_tiny_patch4_window7_224",
        # No copy of the authors' own is on the hub; `sha256` tells whether this one is it.
        weights=WeightsSource("JWonderLand/CHIEF_unofficial", "CHIEF_CTransPath.pth", None),
        width=768,
        normalisation=IMAGENET,
        n_parameters=27_520_038,
        arguments=CTRANSPATH_ARGUMENTS,
        licence="AGPL-3.0 (of CHIEF's repository)",
        gated=False,
        reference="Wang et al., Nature 2024, 10.1038/s41586-024-07894-z",
        layout="old_swin",
        checked="public loader (STAMP) loads CHIEF_CTransPath.pth strictly into this architecture "
        "in timm 0.5.4",
        sha256="1646f23001214f74cf432ef0e80b808ee6605143802ae6ed53a87564ddc4924a",
    ),
    EncoderEntry(
        "lunit_dino_16",
        "vit_small_patch16_224",
        weights=WeightsSource(
            "1aurent/vit_small_patch16_224.lunit_dino", "model.safetensors", None
        ),
        width=384,
        normalisation=LUNIT,
        n_parameters=21_665_664,
        licence="Lunit, non-commercial",
        gated=False,
        reference="Kang et al., CVPR 2023, arXiv:2212.04690",
        checked="listed on the hub as a timm model; size of the file",
    ),
    EncoderEntry(
        "lunit_dino_8",
        "vit_small_patch8_224",
        weights=WeightsSource("1aurent/vit_small_patch8_224.lunit_dino", "model.safetensors", None),
        width=384,
        normalisation=LUNIT,
        n_parameters=21_670_272,
        licence="Lunit, non-commercial",
        gated=False,
        reference="Kang et al., CVPR 2023, arXiv:2212.04690",
        checked="public loader (TRIDENT) builds it as this architecture; size of the file",
    ),
    EncoderEntry(
        "resnet50",
        "resnet50",
        weights=WeightsSource("timm/resnet50.tv_in1k", "model.safetensors", None),
        width=2048,
        normalisation=IMAGENET,
        n_parameters=23_508_032,
        licence="BSD-3-Clause",
        gated=False,
        reference="He et al., CVPR 2016, arXiv:1512.03385",
        checked="listed on the hub as timm's own; size of the file",
    ),
)
CATALOGUE: Mapping[str, EncoderEntry] = {entry.name: entry for entry in ENTRIES}


def entry_of(config: Mapping[str, Any]) -> EncoderEntry:
    """Read the ``encoder`` section of the configuration.

    Parameters
    ----------
    config
        Either a ``name`` of the catalogue, or ``kind: timm`` with `OWN_DESCRIPTION`; both with
        ``checkpoint`` (a local file) or ``weights`` (``repository``, ``file``, ``revision``).

    Raises
    ------
    EncoderError
        If the name is unknown, a setting is missing or makes no sense, or nothing says where the
        weights are.
    """
    name, kind = config.get("name") or NEEDS_NO_MODEL, config.get("kind")
    if kind == "timm":
        entry = _own_entry(config)
    elif kind == NEEDS_NO_MODEL:
        entry = replace(CATALOGUE[NEEDS_NO_MODEL], name=name)
    elif kind is not None:
        raise EncoderError(f"encoder.kind '{kind}' is unknown; there is '{NEEDS_NO_MODEL}', 'timm'")
    else:
        entry = _known_entry(name, config)
    if config.get("weights"):
        entry = replace(entry, weights=WeightsSource(**config["weights"]))
    if entry.needs_torch and entry.weights is None and not config.get("checkpoint"):
        raise EncoderError(
            f"encoder '{name}' needs encoder.checkpoint (a local file) or encoder.weights: "
            "no place to download its weights from is known"
        )
    return entry


def _known_entry(name: str, config: Mapping[str, Any]) -> EncoderEntry:
    if name not in CATALOGUE:
        raise EncoderError(
            f"encoder '{name}' is not in the catalogue ({', '.join(CATALOGUE)}); a model of your "
            "own needs encoder.kind: timm, and its model, width and normalisation"
        )
    described = [key for key in OWN_DESCRIPTION if config.get(key) is not None]
    if described:
        raise EncoderError(
            f"encoder '{name}' stands in the catalogue, so encoder.{described[0]} has no place; "
            "encoder.kind: timm describes a model in full, under a name of its own"
        )
    return CATALOGUE[name]


def _own_entry(config: Mapping[str, Any]) -> EncoderEntry:
    required = ("name", "model", "width", "normalisation")
    missing = [key for key in required if not config.get(key)]
    if missing:
        raise EncoderError(f"encoder of kind 'timm': setting '{missing[0]}' is missing")
    return EncoderEntry(
        name=config["name"],
        model=config["model"],
        weights=None,
        width=int(config["width"]),
        normalisation=_normalisation(config["name"], config["normalisation"]),
        input_px=None,
        arguments=config.get("arguments") or {},
        pooling=_one_of(config, "pooling", get_args(Pooling)),
        precision=_one_of(config, "precision", get_args(Precision)),
    )


def _one_of(config: Mapping[str, Any], key: str, choices: tuple[Any, ...]) -> Any:
    """Return a setting, by default the first of its choices."""
    value = config.get(key) or choices[0]
    if value not in choices:
        raise EncoderError(
            f"encoder '{config['name']}': unknown {key} '{value}'; there are {', '.join(choices)}"
        )
    return value


def _normalisation(name: str, value: str | Mapping[str, Any]) -> tuple[Rgb, Rgb]:
    if isinstance(value, str) and value in NORMALISATIONS:
        return NORMALISATIONS[value]
    if isinstance(value, Mapping) and all(len(value.get(key, ())) == 3 for key in ("mean", "std")):
        red, green, blue = value["mean"]
        of_red, of_green, of_blue = value["std"]
        return (red, green, blue), (of_red, of_green, of_blue)
    raise EncoderError(
        f"encoder '{name}': unknown normalisation '{value}'; there are "
        f"{', '.join(NORMALISATIONS)}, or three numbers each under 'mean' and 'std'"
    )
