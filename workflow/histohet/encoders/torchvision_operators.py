"""Make ``import timm`` work beside a PyTorch without CUDA.

The published torchvision wheels are built for CUDA. Beside a CPU-only PyTorch their compiled
operators do not load, and ``import torchvision`` (which timm needs) fails with ``operator
torchvision::nms does not exist`` while it registers shape functions for them. Declaring the
schemas of the two operators is enough to import it; image encoders never call them. With a CUDA
build of PyTorch, or a torchvision that matches, nothing happens here.
"""

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


def import_timm() -> ModuleType:
    """Import timm, declaring torchvision's operators if, and only if, that is what it lacks.

    Raises
    ------
    RuntimeError
        If the import fails for any other reason.
    """
    try:
        return importlib.import_module("timm")
    except RuntimeError as error:
        if SYMPTOM not in str(error) or torch.version.cuda is not None:
            raise
    _declare_operators()
    for name in [n for n in sys.modules if n.split(".")[0] in {"torchvision", "timm"}]:
        del sys.modules[name]
    return importlib.import_module("timm")
