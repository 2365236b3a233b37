"""These tests need nnU-Net (make test-segmentation)."""

from __future__ import annotations

import pytest

pytest.importorskip("nnunetv2", reason="make .venv/segmentation.txt")
