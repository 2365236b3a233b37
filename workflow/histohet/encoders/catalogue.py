"""The encoders that are known by name.

An entry is all that has to be known to run an encoder; adding one needs no other code as long as
timm builds its architecture and writes its parameter names. None of the published files could be
opened where this was written. What was checked instead stands in `checked`, entry by entry;
docs/encoders.md says what that is worth. Nothing here imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping

from histohet.encoders.entry import HALF, IMAGENET, NEEDS_NO_MODEL, EncoderEntry, Rgb
from histohet.encoders.weights import WeightsSource

H_OPTIMUS: tuple[Rgb, Rgb] = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
LUNIT: tuple[Rgb, Rgb] = (
    (0.70322989, 0.53606487, 0.66096631),
    (0.21716536, 0.26081574, 0.20723464),
)

NON_COMMERCIAL = "CC-BY-NC-ND-4.0"
H_OPTIMUS_ARGUMENTS = {"img_size": 224, "init_values": 1e-5, "dynamic_img_size": False}
CTRANSPATH_ARGUMENTS = {"embed_layer": "histohet.encoders.networks.ConvStem"}
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
