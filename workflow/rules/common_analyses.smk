"""The analyses of the configuration, and functions that name their files."""

# By name: what rules depend on.
ANALYSES = {analysis["name"]: analysis for analysis in config["analyses"]}
CLINICAL_DATA = {
    "clinical": "results/cohort/clinical.tsv",
    "problems": "results/cohort/clinical_problems.tsv",
}


wildcard_constraints:
    analysis=one_of(ANALYSES),


if CURVE:
    CURVE_ANALYSIS = CURVE.get("analysis", next(iter(ANALYSES)))


def get_analysis(wildcards):
    """An analysis under a variant. Where slides are pooled, the patient has none to choose from."""
    pooled = VARIANTS[wildcards.variant].variant.pooled
    return ANALYSES[wildcards.analysis] | ({"slides": "first"} if pooled else {})


def get_wanted_of_clinical():
    """What the analyses ask of the clinical tables, without what is none of their business."""
    keys = ("name", "endpoints", "where", "covariates")
    return [{k: one[k] for k in keys if k in one} for one in ANALYSES.values()]


def get_clinical_data(wildcards):
    """Clinical data, where there are any."""
    return CLINICAL_DATA if HAS_CLINICAL else {}


def per_analysis(pattern):
    """Files of every analysis under every configured variant; none without clinical data."""
    wildcards = {"variant": list(CONFIGURED), "analysis": list(ANALYSES)}
    return expand(pattern, **wildcards) if HAS_CLINICAL else []


def of_first_analysis(pattern):
    """Files of the first analysis under every configured variant; none without clinical data."""
    first = list(ANALYSES)[:1]
    return (
        expand(pattern, variant=list(CONFIGURED), analysis=first)
        if HAS_CLINICAL
        else []
    )


def compared(pattern):
    """Input function for one file per variant that is compared, of the first analysis where there
    is one per analysis."""
    return lambda wildcards: expand(
        pattern, variant=COMPARED[wildcards.compared], analysis=list(ANALYSES)[:1]
    )
