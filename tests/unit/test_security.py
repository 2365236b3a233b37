"""What the code never does with files from outside: unpickle, evaluate, hand to a shell."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from helpers import ROOT

WORKFLOW = ROOT / "workflow"
MODULES = sorted(WORKFLOW.rglob("*.py"))
RULES = sorted([*WORKFLOW.rglob("*.smk"), WORKFLOW / "Snakefile"])

UNPICKLING_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
FORBIDDEN = {"eval", "exec", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}
FORBIDDEN_METHODS = {"read_pickle", "to_pickle", "extractall", "unpack_archive"}


def faults(source: str) -> Iterator[str]:
    """Name the lines of a module that unpickle, evaluate or use a shell."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # The name of an error is all that may be had of pickle.
            errors = {"PickleError", "UnpicklingError"}
            harmless = {alias.name for alias in node.names} <= errors
            names = [] if harmless else [node.module]
        if {name.split(".")[0] for name in names} & UNPICKLING_MODULES:
            yield f"line {node.lineno} imports {names}"
        if isinstance(node, ast.Call):
            yield from faults_of_call(node)


def faults_of_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in FORBIDDEN or name.rsplit(".", 1)[-1] in FORBIDDEN_METHODS:
        yield f"line {node.lineno} calls {name}"
    if name == "torch.load" and not is_true(keywords.get("weights_only")):
        yield f"line {node.lineno}: torch.load without weights_only=True"
    for key in ("shell", "allow_pickle"):
        if key in keywords:
            yield f"line {node.lineno}: {name} with {key}"


def is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def test_no_module_unpickles_evaluates_or_uses_a_shell() -> None:
    found = {str(path): list(faults(path.read_text())) for path in MODULES}
    assert len(found) > 100
    assert {path: of_path for path, of_path in found.items() if of_path} == {}


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from joblib import load", "import numpy, dill.source", "eval(x)"),
        *("pd.read_pickle(p)", "frame.to_pickle(p)", "np.load(p, allow_pickle=True)"),
        *("torch.load(p)", "torch.load(p, weights_only=False)", "yaml.load(text)"),
        *("os.system(f'ls {x}')", "subprocess.run(x, shell=True)", "from pickle import loads"),
    ],
)
def test_the_check_sees(source: str) -> None:
    assert list(faults(source))


def test_rules_run_scripts_only() -> None:
    """No directive whose text Snakemake would put wildcards and paths into, unquoted or not."""
    for path in RULES:
        text = path.read_text()
        assert not re.search(
            r"^\s*(shell|run|notebook|wrapper|cwl|template_engine)\s*:", text, re.M
        )
        assert not re.search(r"\b(shell|eval|exec)\s*\(", text)


def test_every_output_lies_in_the_results_folder() -> None:
    """Whatever wildcards become, they are whole parts of a path below ``results``."""
    for path in RULES:
        for block in re.findall(
            r"^    (?:output|log|benchmark):\n((?: {8}.*\n)+)", path.read_text(), re.M
        ):
            for name in re.findall(r"\"([^\"\s]+/[^\"\s]*)\"", block):
                assert name.startswith(("results/", "../report/")), f"{path.name}: {name}"
