"""Phantoms: generated H&E slides with planted epithelium, tumour, subclones and survival."""

from histohet.phantoms.plan import (
    PhantomPlan,
    Scanner,
    Stain,
    clinical_table,
    plan_cohort,
    plan_table,
)
from histohet.phantoms.render import Phantom, design_phantom, render_phantom
from histohet.phantoms.write import write_labels, write_phantom, write_slide

__all__ = [
    "Phantom",
    "PhantomPlan",
    "Scanner",
    "Stain",
    "clinical_table",
    "design_phantom",
    "plan_cohort",
    "plan_table",
    "render_phantom",
    "write_labels",
    "write_phantom",
    "write_slide",
]
