"""Files that must agree with each other: documentation, rules, rooms."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

from helpers import ROOT
from histohet.common.code import read_module


def test_parsing_the_configuration_loads_no_numerical_library() -> None:
    # Every job parses it: half a second of imports would be hours of a large cohort.
    lines = [
        line
        for file in sorted(ROOT.glob("workflow/rules/*.smk"))
        for line in re.findall(r"^(?:from|import) (?:histohet|plan)\b.*", file.read_text(), re.M)
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


def test_the_library_is_a_house_of_rooms() -> None:
    library = ROOT / "workflow/histohet"
    assert len(list(library.glob("*.py"))) <= 6
    for folder in {file.parent for file in library.rglob("*.py")} - {library}:
        module = ast.parse((folder / "__init__.py").read_text())
        assert ast.get_docstring(module), f"{folder}: what it is for"
        assert len(module.body) == 1, f"{folder}: code where nobody looks for it"


def test_scripts_import_the_library_and_not_each_other() -> None:
    """As a module from a Git repository, Snakemake fetches each of them alone."""
    scripts = sorted(ROOT.glob("workflow/scripts/*.py"))
    names = {script.stem for script in scripts}
    for script in scripts:
        imports = read_module(script).imports
        assert "histohet.common.jobs" in imports, f"{script.name}: the log of its job"
        assert not imports & names, script.name


def rules() -> set[str]:
    """Names of the rules that run something: targets only name what others make."""
    files = [*ROOT.glob("workflow/rules/*.smk"), ROOT / "workflow/phantoms.smk"]
    blocks = [
        block for file in files for block in re.split(r"^ *rule ", file.read_text(), flags=re.M)[1:]
    ]
    return {block.split(":")[0] for block in blocks if re.search(r"^ *script:", block, re.M)}


def test_the_rule_graph_of_the_documentation_names_every_rule() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    way = text.split("## The way of the data")[1]
    graph = way.split("```mermaid\n")[1].split("```")[0]
    assert set(re.findall(r"[a-z]\w+", graph)) - {"flowchart"} == rules()
