# Plain `snakemake` starts here; the workflow itself is in workflow/.
include: "workflow/Snakefile"


localrules:
    default,


rule default:
    default_target: True
    input:
        rules.all.input,
