# The region in CTs whose row of the sheet names no mask, found by a network of nnU-Net.


localrules:
    segmentation,


rule segment_ct:
    input:
        files=PLAN.scans.files,
    output:
        **paths.SEGMENTED,
    log:
        "results/logs/segment_ct/{scan}.log",
    benchmark:
        "results/benchmarks/segment_ct/{scan}.tsv"
    conda:
        "../../envs/segmentation.yaml"
    # Without a GPU the network has as many threads.
    threads: 8
    resources:
        # What the network says of every voxel and label is brought to the grid of the CT.
        mem_mb=growing(PLAN.scans.segment_mem_mb),
        # On a GPU; on processors alone give more (docs/cluster.md).
        runtime=growing(60),
        gpu=1,
        # Where the model lies; what it is, is a parameter.
        model=as_written(PLAN.scans.segmentation.folder),
    params:
        ct=PLAN.scans.ct,
        missing=PLAN.scans.problems_of_files,
        model=PLAN.scans.segmentation.model,
        how=PLAN.scans.segmentation.how,
        code=code_of("segment_ct.py"),
    script:
        "../scripts/segment_ct.py"


rule segmentation:
    input:
        fill(paths.SEGMENTED["mask"], scan=PLAN.scans.segmented),
