"""Files that must agree with each other: documentation, rules, schema."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import yaml

from helpers import ROOT


def test_parsing_the_configuration_loads_no_numerical_library() -> None:
    # Every job parses it: half a second of imports would be hours of a large cohort.
    lines = [
        line
        for file in sorted(ROOT.glob("workflow/rules/*.smk"))
        for line in re.findall(r"^\s*((?:from|import) histohet\b.*)", file.read_text(), re.M)
    ]
    heavy = ("pandas", "numpy", "scipy", "numba", "torch", "sklearn", "h5py")
    show = f"import sys; print(*sys.modules.keys() & {set(heavy)})"
    code = "\n".join([*lines, show])
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "workflow",
        capture_output=True,
        text=True,
        check=True,
    )
    assert lines
    assert found.stdout.split() == []


def rules() -> set[str]:
    files = [*ROOT.glob("workflow/rules/*.smk"), ROOT / "workflow/phantoms.smk"]
    defined = re.compile(r"^(?:rule|use rule \w+ as) (\w+)", re.M)
    return {name for file in files for name in defined.findall(file.read_text())}


def test_the_rule_graph_of_the_documentation_names_every_rule() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    graph = text.split("```mermaid\n")[1].split("```")[0]
    assert set(re.findall(r"[a-z]\w+", graph)) - {"flowchart"} == rules() - {"all"}


def keys(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in schema.get("properties", {}).items():
        if "properties" in value:
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_every_configuration_key_is_documented() -> None:
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    text = (ROOT / "config/README.md").read_text()
    documented = set(re.findall(r"`([\w.]+)`", text))
    for key in keys(schema):
        section, _, name = key.rpartition(".")
        described_together = section in documented and re.search(rf"\b{name}\b", text)
        assert key in documented or described_together, key
