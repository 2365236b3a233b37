"""The captions of the report: what they say of the configuration is in it."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from helpers import ROOT
from histohet.config import read_config

CAPTIONS = sorted((ROOT / "workflow/report").glob("*.rst"))
# With every section that is optional.
CONFIG: dict[str, Any] = {
    "slides": "slides.tsv",
    "clinical": [{"table": "c.tsv", "format": "gdc"}],
    "tissue": {"overrides": {"min_tissue_mm2": 0.2}},
    "added_value": {},
    "fusion": {"endpoint": "LM", "blocks": ["slide"]},
    "attention": {"from": "sheet"},
    "traits": {"expression": [{"table": "t.tsv", "id": "sample"}], "wanted": {"A": "A"}},
    "agreement": {"pathologist": {"table": "counts.tsv", "column": "n"}},
}


class Anything(SimpleNamespace):
    """Wildcards and parameters: a job has those of its rule."""

    def __getattr__(self, name: str) -> str:
        return f"<{name}>"


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
def test_a_caption_names_what_the_configuration_has(caption: Path) -> None:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    job = Anything(config=read_config(CONFIG).canonical(), wildcards=Anything(), params=Anything())
    text = environment.from_string(caption.read_text()).render(snakemake=job)
    assert text
    assert "{{" not in text
    # As people write numbers.
    assert not re.search(r"\d\.0 µm", text)
