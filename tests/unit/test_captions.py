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


def rendered(caption: Path, **changes: Any) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    config = read_config(CONFIG | changes).canonical()
    job = Anything(config=config, wildcards=Anything(), params=Anything())
    return environment.from_string(caption.read_text()).render(snakemake=job)


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
def test_a_caption_names_what_the_configuration_has(caption: Path) -> None:
    text = rendered(caption)
    assert text
    assert "{{" not in text
    # As people write numbers.
    assert not re.search(r"\d\.0 µm", text)


def test_captions_say_what_a_row_is() -> None:
    dense = {"encoder": {"name": "uni", "dense": {"tokens_um": 28}}}
    tiles, whole = (ROOT / f"workflow/report/{name}.rst" for name in ("tiles", "workflow"))
    assert rendered(tiles).startswith("Tissue (green) and tiles of 112 µm on it")
    assert rendered(tiles, **dense).startswith("Tissue (green) and tokens of 28 µm on it")
    assert "Tiles of 112 µm seen as 224 px;" in rendered(whole)
    assert "Tiles of 112 µm seen as 224 px,\nin tokens of 28 µm;" in rendered(whole, **dense)
