"""The library on the import path of the rules and of their scripts: the one place that puts it there.

It lies beside the rules, or, where Snakemake reads those from a Git repository (as a module, with
`github` or `git+file:`), in a copy of the same commit below `.snakemake`.
"""

import shlex
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp


def copy_of_commit(source):
    """Copy what the rules need of the commit that `source` is of, once; return where it is."""
    from git import Repo

    hosted = hasattr(source, "hosted_repo")
    repository = source.hosted_repo.repo if hosted else Repo(source.repo_path)
    folder = Path(".snakemake/histohet", repository.commit(source.ref).hexsha)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(mkdtemp(dir=folder.parent))
        repository.git.archive(
            source.ref, "workflow", "resources", output=(new / "all.tar").resolve()
        )
        shutil.unpack_archive(new / "all.tar", new)
        new.rename(folder)
    return folder.resolve()


RULES = workflow.current_basedir
WORKFLOW = (
    Path(RULES.get_path_or_uri(secret_free=True)).parent
    if hasattr(RULES, "abspath")
    else copy_of_commit(RULES) / "workflow"
)
sys.path.insert(0, str(WORKFLOW))
# Not in the environment: Snakemake takes PYTHONPATH away from jobs in conda environments.
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(WORKFLOW))}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
)
