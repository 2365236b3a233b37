"""A phantom's files: slide, label image, tumour score and truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvips

from histohet.common.files import atomic_path, write_text
from histohet.phantoms.fields import Bytes
from histohet.phantoms.plan import PhantomPlan
from histohet.phantoms.render import Phantom

TILE_PX = 256


def write_phantom(
    phantom: Phantom,
    plan: PhantomPlan,
    *,
    slide: str | Path,
    labels: str | Path,
    attention: str | Path,
    truth: str | Path,
) -> None:
    """Write the four files of a slide, each complete or absent."""
    write_slide(slide, phantom.image, plan)
    write_labels(labels, phantom.labels, plan.mpp * plan.label_downsample)
    write_text(attention, phantom.attention.to_csv(index=False, lineterminator="\n"))
    write_text(truth, phantom.truth.to_csv(sep="\t", index=False, lineterminator="\n"))


def write_slide(path: str | Path, image: Bytes, plan: PhantomPlan) -> None:
    """Write a pyramidal, JPEG-compressed TIFF that OpenSlide reads as Aperio.

    The levels are pages (OpenSlide sees only one level of an Aperio file with SubIFDs), and the
    image description carries objective power and pixel size.
    """
    height, width = image.shape[:2]
    picture = _picture(image, plan.mpp)
    description = (
        f"Aperio Image Library histohet phantom\r\n"
        f"{width}x{height} [0,0 {width}x{height}] ({TILE_PX}x{TILE_PX}) "
        f"JPEG/RGB Q={plan.scanner.jpeg_quality}|AppMag = {plan.objective}|MPP = {plan.mpp}"
    )
    picture.set_type(pyvips.GValue.gstr_type, "image-description", description)
    with atomic_path(path) as partial:
        picture.tiffsave(
            str(partial),
            tile=True,
            tile_width=TILE_PX,
            tile_height=TILE_PX,
            pyramid=True,
            subifd=False,
            compression="jpeg",
            Q=plan.scanner.jpeg_quality,
        )


def write_labels(path: str | Path, labels: Bytes, mpp: float) -> None:
    """Write a label image as a tiled, deflate-compressed TIFF of one uint8 band."""
    with atomic_path(path) as partial:
        _picture(labels, mpp).tiffsave(
            str(partial),
            tile=True,
            tile_width=TILE_PX,
            tile_height=TILE_PX,
            compression="deflate",
        )


def _picture(pixels: Bytes, mpp: float) -> pyvips.Image:
    """Wrap an array without copying; vips wants the resolution in pixels per millimetre."""
    height, width = pixels.shape[:2]
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    picture = pyvips.Image.new_from_memory(
        np.ascontiguousarray(pixels).data, width, height, bands, "uchar"
    )
    return picture.copy(
        xres=1000 / mpp, yres=1000 / mpp, interpretation="srgb" if bands == 3 else "b-w"
    )
