"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from helpers import ROOT

# How long an example takes is the machine's affair.
settings.register_profile("histohet", deadline=None)
settings.load_profile("histohet")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of public research files; set HISTOHET_DATA or keep it beside the checkout."""
    folder = Path(os.environ.get("HISTOHET_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set HISTOHET_DATA to the folder that holds it")
    return folder
