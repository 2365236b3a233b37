"""Slides whose finished features cannot be compared with those of the other slides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from histohet.features.imported.layouts import (
    canonical_encoder,
)
from histohet.preflight.outlook import Outlook
from histohet.slides.record import INCOMPARABLE, SlideRecord

Features = tuple[str | None, int | None]
"""Encoder and width of features; None where it is not known."""


def disagreeing_features(
    records: Sequence[SlideRecord], encoder: str, width: int | None
) -> dict[str, str]:
    """Say which slides of a cohort have features that cannot be compared with those of the others.

    The others are the slides that are encoded here, if there are any, else the largest group.

    Parameters
    ----------
    records
        What `check_slide` found, of every slide of the sheet.
    encoder, width
        What the slides without finished features are encoded with; the width if it is known.

    Returns
    -------
    dict
        What is wrong with each of these slides. A file that does not name its encoder (CLAM) agrees
        with every encoder of its width.
    """
    slides: defaultdict[Features, list[str]] = defaultdict(list)
    here = (encoder, width)
    for record in records:
        if record.outcome.ok and record.imported is None:
            slides[here].append(record.slide)
        elif record.outcome.ok and record.feature_width is not None:
            slides[record.encoder, record.feature_width].append(record.slide)
    if not slides:
        return {}
    common = here if here in slides else max(slides, key=lambda one: len(slides[one]))
    return {
        slide: (
            f"features are of {_named(one)}, those of {len(slides[common])} other slides of "
            f"{_named(common)}: one cohort needs features of one encoder"
        )
        for one, of_it in slides.items()
        if not _agree(one, common)
        for slide in of_it
    }


def refuse_disagreeing(outlooks: Iterable[Outlook], problems: Mapping[str, str]) -> list[Outlook]:
    """Refuse the slides that `disagreeing_features` names."""
    return [
        replace(outlook, record=outlook.record.refused(problem), consequence=INCOMPARABLE)
        if (problem := problems.get(outlook.record.slide))
        else outlook
        for outlook in outlooks
    ]


def _named(features: Features) -> str:
    name, width = features
    return f"{name or 'an encoder without a name'} with {width or 'unknown'} numbers per tile"


def _agree(one: Features, other: Features) -> bool:
    """Whether two encoders, by name and width, can be the same; what is None is not known."""
    names = {canonical_encoder(name) for name, _ in (one, other) if name is not None}
    widths = {width for _, width in (one, other) if width is not None}
    return len(names) < 2 and len(widths) < 2
