"""Functions that name the files of agreement with pathologists and with expression clusters."""

AGREEMENT = config.get("agreement", {})
PATHOLOGIST = AGREEMENT.get("pathologist", {})
SECTIONS = {}

for number, section in enumerate(AGREEMENT.get("expression", [])):
    slide, place = section["slide"], f"config, agreement.expression[{number}]"
    if slide not in SHEET.slides:
        raise WorkflowError(f"{place}: slide '{slide}' is not in {config['slides']}")
    if slide in SECTIONS:
        raise WorkflowError(f"{place}: slide '{slide}' comes twice")
    SECTIONS[slide] = section


def get_section(key):
    """Input function for one key of the section of a slide."""
    return lambda wildcards: SECTIONS[wildcards.slide].get(key) or []


def get_spot_columns(wildcards):
    """What the columns of the spots of a slide are called."""
    section = SECTIONS[wildcards.slide]
    return {key: section[key] for key in ("label", "x", "y", "spot")}


def get_thumbnail(wildcards):
    """Picture of a slide."""
    return thumbnail_of(wildcards.slide)


def expression_files(variant):
    """Figures of agreement with spatial transcriptomics; a variant that pools slides has none."""
    pattern = "results/agreement/expression/{variant}/{slide}.png"
    pooled = VARIANTS[variant].variant.pooled
    return [] if pooled else expand(pattern, variant=variant, slide=SECTIONS)


def agreement_files():
    """Tables and figures of agreement, where the configuration names something to agree with."""
    of_slides = [name for name in CONFIGURED if not VARIANTS[name].variant.pooled]
    # Where slides are pooled, there is nothing to compare with the count of a single one.
    counted = of_slides if PATHOLOGIST.get("unit") == "slide" else list(CONFIGURED)
    return [
        *expand(
            "results/agreement/pathologist/{variant}.png",
            variant=counted if PATHOLOGIST else [],
        ),
        *(file for name in CONFIGURED for file in expression_files(name)),
    ]
