"""What each variant of the method does otherwise, checked before anything runs.

Variants share files: a path names the factors (encoder, masking, procedure), not the variant.
"""

from typing import NamedTuple

from histohet.encoders.catalogue import entry_of, read_catalogue
from histohet.encoders.settings import EncoderSettings
from histohet.variants import VARIANTS as KNOWN_VARIANTS
from histohet.variants import SECTION_OF_CHOICE, Variant, read_variants, varied


CATALOGUE = read_catalogue()


def entry_from(section):
    """The encoder that a section like `encoder` means."""
    return entry_of(EncoderSettings(**section), CATALOGUE)


class Settled(NamedTuple):
    """A variant, the configuration with its own settings in place, and its names in paths."""

    variant: Variant
    config: dict
    factors: dict[str, str]


def settle(name, variant):
    """Settle what a variant is."""
    own = variant.configured(config)
    if variant.settings:
        own = check_configuration(own, f"config, variant '{name}'")
    return Settled(variant, own, variant.factors(config))


def by_factor(factor):
    """One of the variants that share each value of a factor; they must mean the same by it."""
    return {settled.factors[factor]: settled for settled in VARIANTS.values()}


try:
    CONFIGURED = read_variants(config["variants"])
except ValueError as error:
    raise WorkflowError(f"config, variants: {error}") from error

NAMED = {**KNOWN_VARIANTS, **CONFIGURED}
# Ways to measure slides that a specification curve goes through, and what they are in words.
CURVE = config.get("specification_curve")
for name in CURVE.get("variants", ()) if CURVE else ():
    if name not in NAMED:
        raise WorkflowError(
            f"config, specification_curve.variants: '{name}' is no variant, there are "
            f"{', '.join(NAMED)}"
        )
try:
    CURVE_VARIANTS = (
        varied(
            {name: NAMED[name] for name in CURVE.get("variants", CONFIGURED)},
            {key: CURVE[key] for key in SECTION_OF_CHOICE if key in CURVE},
        )
        if CURVE
        else {}
    )
except ValueError as error:
    raise WorkflowError(f"config, specification_curve: {error}") from error
for name, (variant, _) in CURVE_VARIANTS.items():
    if NAMED.get(name, variant) != variant:
        raise WorkflowError(
            f"config, variant '{name}': so is a variant of the specification curve called, with "
            "other settings; give yours another name"
        )
VARIANTS = {
    name: settle(name, variant)
    for name, variant in {
        **NAMED,
        **{name: variant for name, (variant, _) in CURVE_VARIANTS.items()},
    }.items()
}
measured_alike = {}
for name in CURVE_VARIANTS:
    settled = VARIANTS[name]
    ways = (*settled.factors.values(), settled.variant.tumour_filter)
    if ways in measured_alike:
        raise WorkflowError(
            f"config, specification_curve: '{measured_alike[ways]}' and '{name}' measure slides "
            "alike and would count twice; name one of them in `variants`"
        )
    measured_alike[ways] = name
PATIENTS = {}
for slide, row in SHEET.slides.items():
    PATIENTS.setdefault(row.patient, []).append(slide)

COMPARED = {"configured": list(CONFIGURED), "all": list(NAMED)}
# A truth is known of slides, not of what is pooled.
COMPARED_WITH_TRUTH = [
    name for name, variant in CONFIGURED.items() if WITH_TRUTH and not variant.pooled
]
MASKINGS = by_factor("masking")
PROCEDURES = by_factor("procedure")
ENCODERS = {
    encoder: settled.config["encoder"]
    for encoder, settled in by_factor("encoder").items()
}
# Tiles are encoded once, for the variant that is content with least epithelium.
ENCODED_COVERAGE = min(
    settled.config["epithelium"]["min_coverage"] for settled in VARIANTS.values()
)

for name, settled in VARIANTS.items():
    if settled.config["encoder"] != ENCODERS[settled.factors["encoder"]]:
        raise WorkflowError(
            f"config, variant '{name}': its encoder has the name of another one, "
            f"'{settled.config['encoder']['name']}', and other settings"
        )
    if settled.variant.pooled:
        for patient in PATIENTS:
            if not SLIDE_ID.fullmatch(patient):
                raise WorkflowError(
                    f"config, variant '{name}': patient '{patient}' names files where slides are "
                    "pooled: letters, digits, '.', '_' or '-', beginning with a letter or digit"
                )
    if {"encoder", "epithelium"} & set(settled.variant.settings):
        for slide in filter(is_imported, SLIDES):
            raise WorkflowError(
                f"config, variant '{name}': slide '{slide}' brings finished features, which no "
                "other encoder or mask can change"
            )

ENTRIES = {}
for name, settled in VARIANTS.items():
    try:
        entry = entry_from(settled.config["encoder"])
        if not all(map(is_imported, SLIDES)):
            entry.check_tile_px(config["tiles"]["tile_px"])
    except ValueError as error:
        raise WorkflowError(f"config, encoder: {error}") from error
    ENTRIES[settled.factors["encoder"]] = entry


def one_of(names):
    """Wildcard constraint: exactly these names; without any, nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    slide=SLIDE_ID.pattern,
    encoder=r"[A-Za-z0-9][A-Za-z0-9_-]*",
    masking=one_of(MASKINGS),
    procedure=one_of(PROCEDURES),
    pooling="mean|attention|chief",
    compared=one_of(COMPARED),
    variant=one_of(VARIANTS),
