"""Before the rules comes the plan, of the checked configuration and the slide sheet, and its parts
under the names that rules know them by. Nothing numerical happens here."""

from snakemake.exceptions import WorkflowError


include: "library.smk"


from histohet.common.code import code_hash
from histohet.common.files import StorageError, read_json, write_json
from plan import paths
from plan.interface import with_signature
from plan.paths import fill
from plan.plan import make_plan
from plan.resources import PARSED_MASK

try:
    # What is missing is missing where the run began: a job on a machine that does not see a disk
    # fails, and refuses no slide.
    MISSING = None if workflow.is_main_process else read_json(paths.MISSING_FILES)
    PLAN = make_plan(config, MISSING)
except ValueError as error:
    raise WorkflowError(str(error)) from None

# In the form that parameters are compared in: what it means, not how it is written.
config = PLAN.config.canonical()
SLIDES, VARIANTS, ENCODERS = PLAN.slides, PLAN.variants, PLAN.encoders
ANALYSES, INPUTS, growing = PLAN.analyses, PLAN.inputs, PLAN.resources.growing


onstart:
    try:
        write_json(paths.MISSING_FILES, PLAN.missing)
    except StorageError as error:
        raise WorkflowError(str(error)) from None


# One GPU for a job, or for a submission that holds several; on one machine jobs take turns on it.
# So do the steps of a submission: `step` is what the cluster profile gives each of them.
resource_scopes:
    gpu="local",
    step="local",


wildcard_constraints:
    **PLAN.wildcards,


def code_of(script):
    """Hash of a script and the library modules it uses; as a parameter, it reruns what uses them
    when one of them changes. Computed for a job, since each job parses everything."""
    return with_signature(
        lambda wildcards: code_hash(WORKFLOW / "scripts" / script, WORKFLOW)
    )


def as_written(value):
    """Parameter that is what the user wrote, such as a pattern: braces in it are no wildcards."""
    return lambda wildcards: value
