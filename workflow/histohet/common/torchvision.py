"""Imports of what needs torchvision, also beside a PyTorch without CUDA."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType

import torch
from torch import library as operators

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
SYMPTOM = "operator torchvision::nms does not exist"


@cache
def _declare_operators() -> operators.Library:
    """Declare the schemas; the cache keeps the object, without which PyTorch forgets them."""
    declared = operators.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        declared.define(schema)
    return declared


def import_with_torchvision(name: str) -> ModuleType:
    """Import torchvision, or a module that imports it first of all.

    The published torchvision wheels are built for CUDA. Beside a CPU-only PyTorch their compiled
    operators do not load, and ``import torchvision`` fails while it registers shape functions for
    them. Declaring the schemas of the two operators is enough to import it; networks never call
    them. Otherwise nothing happens here.

    Raises
    ------
    RuntimeError
        If the import fails for any other reason.
    """
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if SYMPTOM not in str(error) or torch.version.cuda is not None:
            raise
    _declare_operators()
    half_imported = {"torchvision", name.split(".")[0]}
    for module in [one for one in sys.modules if one.split(".")[0] in half_imported]:
        del sys.modules[module]
    return importlib.import_module(name)
