"""Functions that name the files of what heterogeneity adds to a slide embedding."""

ADDED_VALUE = config.get("added_value", {})
ADDED_TO = ADDED_VALUE.get("pooling")
COMPARED_ANALYSIS = ADDED_VALUE.get("analysis", next(iter(ANALYSES)))

if ADDED_VALUE and not HAS_CLINICAL:
    raise WorkflowError(
        "config, added_value: it needs survival, so the section `clinical`"
    )
if COMPARED_ANALYSIS not in ANALYSES:
    raise WorkflowError(
        f"config, added_value.analysis: no analysis is called '{COMPARED_ANALYSIS}', there are"
        f" {', '.join(ANALYSES)}"
    )
if ADDED_TO == "attention" and not HAS_ATTENTION:
    raise WorkflowError(
        "config, added_value.pooling: 'attention' weighs tiles by tumour attention, but no slide"
        " has any"
    )
if ADDED_TO == "chief" and not FROM_CHIEF:
    raise WorkflowError(
        "config, added_value.pooling: 'chief' needs CHIEF: set attention.from to chief"
    )


def get_compared_embeddings(wildcards):
    """Slide embeddings that the scores of a variant are added to: CHIEF's own are of whole tiles,
    ours of the tiles that the variant encodes."""
    factors = VARIANTS[wildcards.variant].factors
    if ADDED_TO == "chief":
        factors = {"encoder": CHIEF_ENCODER["name"], "masking": "whole"}
    return EMBEDDING_TABLE.format(**factors, pooling=ADDED_TO)


def added_value_files():
    """The comparison of models under every configured variant that measures slides, where it is
    configured: embeddings are of slides."""
    of_slides = [name for name in CONFIGURED if not VARIANTS[name].variant.pooled]
    return expand(
        "results/added_value/{variant}/estimates.tsv",
        variant=of_slides if ADDED_VALUE else [],
    )
