"""Clinical tables and analyses: checked, and functions that name their files."""

from histohet.analyses import read_analyses

try:
    # By name, as configured: what rules depend on.
    ANALYSES = dict(
        zip(read_analyses(config["analyses"]), config["analyses"], strict=True)
    )
except ValueError as error:
    raise WorkflowError(f"config, analyses: {error}") from error

CLINICAL_DATA = {
    "clinical": "results/cohort/clinical.tsv",
    "problems": "results/cohort/clinical_problems.tsv",
}


wildcard_constraints:
    analysis="|".join(ANALYSES),


def get_wanted_of_clinical():
    """What the analyses ask of the clinical tables, without what is none of their business."""
    keys = ("name", "preset", "endpoints", "where", "covariates")
    return [{k: one[k] for k in keys if k in one} for one in ANALYSES.values()]


def get_clinical_data(wildcards):
    """Clinical data, where there are any."""
    return CLINICAL_DATA if HAS_CLINICAL else {}


def per_analysis(pattern):
    """Files of every analysis under every configured variant; none without clinical data."""
    wildcards = {"variant": config["variants"], "analysis": list(ANALYSES)}
    return expand(pattern, **wildcards) if HAS_CLINICAL else []
