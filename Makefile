# Two commands on a fresh machine: `make demo` and `make test`. `make help` lists the others.

PYTHON ?= python3
CORES ?= all
JOBS ?= 1
FUZZ ?= 2000
VENV := .venv
BIN := $(VENV)/bin
PIP := $(PYTHON) -m pip --python $(BIN)/python install --disable-pip-version-check
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
OPTIONAL := $(addprefix tests/workflow/test_,prefetch.py attention.py imported_features.py added_value.py fusion.py mil.py agreement.py traits.py inception.py regions.py dense.py dearray.py cores.py demo_cores.py atlas.py rotation.py scans.py segmentation_training.py config_keys.py batches.py demo_radiopathomics.py) $(addprefix tests/unit/,agreement/test_genes_on_sections.py traits/test_inception.py)
SLURM := slurmctld slurmd slurm-client munge
DEMO := --replace-workflow-config --configfile config/demo.yaml
DEMO_TRAITS := $(DEMO) config/demo_traits.yaml
DEMO_NETWORK := $(DEMO) config/demo_network.yaml --directory results/demo_network
DEMO_CORES := --replace-workflow-config --configfile config/demo_cores.yaml --directory results/demo_cores
RECOVERED := results/phantoms/scanned/recovered.tsv
DEMO_RADIOPATHOMICS := --replace-workflow-config --configfile config/demo_radiopathomics.yaml --directory results/demo_radiopathomics
OF_CORES := survival results/preflight/preflight.html $(patsubst %,results/maps/cores_pooled/patient_%.png,06 15 21 23)

# The tests and BLAS share the cores with Snakemake's jobs.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo demo-ablation demo-network demo-traits demo-cores demo-radiopathomics test check unit workflow-tests test-optional test-bad-input test-mil test-radiomics test-segmentation test-planted test-slurm test-faults test-atlas measure-epithelium bench-clustering bench-tissue bench-criteria bench-placements bench-encoding bench-fill bench-phantoms bench-symmetry bench-survival bench-scale bench-resources bench-traits bench-dearray bench-rotation bench-radiopathomics bench-segmentation bench-training bench-atlas calibrate check-checkpoints fuzz audit config-docs environments rulegraph clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 28

demo: $(VENV)/core.txt  ## phantom cohort through the whole workflow: results/atlas/index.html, results/report.html
	$(SNAKEMAKE) --snakefile workflow/phantoms.smk $(DEMO) --quiet rules host
	$(SNAKEMAKE) $(DEMO) --quiet rules host
	$(SNAKEMAKE) atlas $(DEMO) --quiet rules host
	$(SNAKEMAKE) $(DEMO) --report results/report.html
	@echo
	@echo "Done. Open in a browser: results/atlas/index.html (tables, curves, slides: docs/atlas.md) and"
	@echo "results/report.html; key figures: results/summary.json;"
	@echo "maps: results/maps/full/; survival: results/survival/main/full/; docs/demo.md explains them."

demo-ablation: demo  ## the demo with paper, no_potts and no_mask, and all five variants compared
	$(SNAKEMAKE) ablation $(DEMO) --quiet rules host

demo-network: $(VENV)/encoders.txt  ## a few phantoms with a network on its published weights, in results/demo_network
	$(SNAKEMAKE) --snakefile workflow/phantoms.smk $(DEMO_NETWORK) --quiet rules host
	$(SNAKEMAKE) $(DEMO_NETWORK) --quiet rules host
	@echo
	@echo "Done: results/demo_network/results/summary.json, maps beside it; docs/encoders.md says what this network is."

demo-traits: demo  ## trait models on the demo's phantoms: bulk expression to maps, heterogeneity, survival
	$(SNAKEMAKE) --snakefile workflow/phantoms.smk $(DEMO) --quiet rules host -- results/phantoms/expression.tsv
	$(SNAKEMAKE) $(DEMO_TRAITS) --quiet rules host
	$(SNAKEMAKE) $(DEMO_TRAITS) --report results/report.html
	@echo
	@echo "Done: results/traits/table_1.html, pictures in results/traits/pictures; docs/traits.md explains them."

demo-cores: $(VENV)/core.txt  ## phantom arrays: cores found, named, pooled by patient, survival; in results/demo_cores
	$(SNAKEMAKE) --snakefile workflow/phantoms.smk $(DEMO_CORES) --quiet rules host
	$(SNAKEMAKE) dearray $(DEMO_CORES) --quiet rules host
	cp -p results/demo_cores/results/tma/slides.tsv results/demo_cores/slides.tsv
	$(SNAKEMAKE) $(OF_CORES) $(DEMO_CORES) --quiet rules host
	$(SNAKEMAKE) $(OF_CORES) $(DEMO_CORES) --report report.html
	@echo
	@echo "Done. Open results/demo_cores/report.html; arrays: results/demo_cores/results/tma/; docs/demo.md explains them."

demo-radiopathomics: $(VENV)/segmentation.txt $(VENV)/z-rad.txt  ## phantom CTs and slides: a tumour found by a trained network, radiomics, fusion; in results/demo_radiopathomics
	$(SNAKEMAKE) --snakefile workflow/phantoms.smk $(DEMO_RADIOPATHOMICS) --quiet rules host
	$(SNAKEMAKE) train_segmentation $(DEMO_RADIOPATHOMICS) --quiet rules host
	$(SNAKEMAKE) radiomics fusion $(DEMO_RADIOPATHOMICS) --quiet rules host
	$(SNAKEMAKE) --snakefile workflow/phantoms.smk $(DEMO_RADIOPATHOMICS) --quiet rules host -- $(RECOVERED)
	$(SNAKEMAKE) radiomics fusion $(DEMO_RADIOPATHOMICS) --report report.html
	@cat results/demo_radiopathomics/$(RECOVERED)
	@echo
	@echo "Done. Open results/demo_radiopathomics/report.html; scans: results/demo_radiopathomics/results/ct/scans.html;"
	@echo "above: what was found of what was planted; docs/demo.md explains it."

test: check unit workflow-tests  ## everything CI checks: formats, types, lint, the tests

check: $(VENV)/dev.txt  ## formats, types, imports between rooms, Snakemake's lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/snakemake --lint $(DEMO) --config slides=tests/one_slide.tsv
	$(BIN)/snakemake --lint --snakefile workflow/phantoms.smk $(DEMO)
	$(BIN)/snakemake --lint --snakefile workflow/phantoms.smk $(DEMO_CORES)
	$(BIN)/snakemake --lint --snakefile workflow/phantoms.smk $(DEMO_RADIOPATHOMICS)

unit: $(VENV)/dev.txt $(VENV)/z-rad.txt  ## the library
	$(BIN)/pytest tests/unit $(OPTIONAL:%=--ignore=%) --numprocesses auto --dist loadfile

workflow-tests: $(VENV)/dev.txt  ## the workflow, on small phantoms and on real slides
	$(BIN)/pytest tests/workflow $(OPTIONAL:%=--ignore=%) --numprocesses auto --dist loadfile

test-optional: $(VENV)/dev.txt $(VENV)/z-rad.txt  ## what only some configurations bring: prefetch, CHIEF, finished features, added value, fusion, agreement and maps of genes on real sections, trait models, arrays, tokens, turned tiles, scans, the atlas; what every key reruns; batches
	$(BIN)/pytest $(OPTIONAL) --numprocesses auto --dist loadfile

test-bad-input: $(VENV)/dev.txt  ## bad slides, masks, attention, features, sheets, tables: each with the message it must give
	$(BIN)/pytest tests/bad_input --numprocesses auto --dist loadfile

test-mil: $(VENV)/dev.txt  ## networks on tiles: rare tiles are found, noise is not; the jobs that train them
	$(BIN)/pytest tests/mil tests/workflow/test_mil.py

test-radiomics: $(VENV)/dev.txt $(VENV)/z-rad.txt $(VENV)/pyradiomics.txt  ## CT and both engines of radiomics: IBSI, PyRadiomics' baseline, real scans (Python 3.11, a C compiler)
	$(BIN)/pytest tests/unit/ct tests/unit/radiomics tests/workflow/test_scans.py

test-segmentation: $(VENV)/dev.txt $(VENV)/segmentation.txt $(VENV)/z-rad.txt  ## segmentation of CTs: nnU-Net's own command voxel for voxel, the workflow with it
	$(BIN)/pytest tests/segmentation tests/unit/segmentation tests/unit/test_environments.py

test-planted: $(VENV)/dev.txt  ## fusion on planted cohorts and on noise: what is there is found, and no more
	$(BIN)/pytest tests/planted --numprocesses auto

test-slurm: $(VENV)/dev.txt $(VENV)/slurm.txt  ## the workflow on a real SLURM, installed and started here: as root, on Debian
	-dpkg --status $(SLURM) >/dev/null 2>&1 || apt-get install --yes --no-install-recommends $(SLURM)
	$(BIN)/pytest tests/slurm

test-atlas: $(VENV)/dev.txt $(VENV)/atlas.txt  ## the atlas in a browser, which is installed here: as root, on Debian (ATLAS_PICTURE=docs/atlas.jpg)
	-dpkg --status chromium >/dev/null 2>&1 || apt-get install --yes --no-install-recommends chromium
	$(BIN)/pytest tests/atlas

test-faults: $(VENV)/dev.txt  ## kill every job and Snakemake itself; full, read-only and vanished disks (FAULTS_SEED, FAULTS_KILLS)
	$(BIN)/pytest tests/faults --log-cli-level=INFO

measure-epithelium: $(VENV)/core.txt  ## our epithelium segmentation on glands of colon, and on points in prostate and breast: HISTOHET_DATA
	$(BIN)/python tests/bench/epithelium.py $(HISTOHET_DATA) results/bench/epithelium.json

bench-clustering: $(VENV)/core.txt  ## the clustering engine against the published one: speed, memory, gap, counts
	$(BIN)/python tests/bench/clustering.py all --jobs $(JOBS) $(BENCH)

bench-tissue: $(VENV)/encoders.txt  ## the clustering engine on real sections and collages of real tiles: HISTOHET_DATA
	$(BIN)/python tests/bench/tissue.py --jobs $(JOBS) $(BENCH)

bench-placements: $(VENV)/core.txt  ## p-value of agreement with expression clusters, on random maps
	$(BIN)/python tests/bench/placements.py $(BENCH)

bench-criteria: $(VENV)/core.txt  ## criteria for the number of clusters compared
	$(BIN)/python tests/bench/criteria.py --jobs $(JOBS) $(BENCH)

bench-encoding: $(VENV)/dev.txt  ## the encoding rule against bare forward passes and a plain loop; its memory
	$(BIN)/python tests/bench/encoding.py $(BENCH)

bench-fill: $(VENV)/encoders.txt  ## black, white, nothing or pooling outside of the epithelium, on real tissue: HISTOHET_DATA
	$(BIN)/python tests/bench/fill.py $(BENCH)

bench-phantoms: $(VENV)/encoders.txt  ## do stain_texture and a network find the planted subclones of phantoms
	$(BIN)/python tests/bench/phantoms.py $(BENCH)

bench-symmetry: $(VENV)/encoders.txt  ## how far labels move when a slide is turned, with and without averaging
	$(BIN)/python tests/bench/symmetry.py $(BENCH)

bench-scale: $(VENV)/dev.txt  ## how long Snakemake plans a cohort of 100, 1,000, 10,000 slides, and in how much memory
	$(BIN)/python tests/bench/scale.py $(BENCH)

bench-resources: demo  ## what the steps of a slide need, by the number of its tiles
	$(BIN)/python tests/bench/resources.py results/phantoms/slides/phantom_01.svs $(BENCH)

bench-traits: $(VENV)/encoders.txt  ## trait models: time, planted traits, chance and sites; the demo's phantoms, if demo-traits has run
	$(BIN)/python tests/bench/traits.py $(BENCH)

bench-dearray: $(VENV)/core.txt  ## cores found on labelled overviews of arrays: HISTOHET_DATA
	$(BIN)/python tests/bench/dearray.py $(BENCH)

bench-rotation: $(VENV)/encoders.txt  ## clusters of turned tiles on real cores, by encoder: HISTOHET_DATA
	$(BIN)/python tests/bench/rotation.py $(BENCH)

bench-radiopathomics: $(VENV)/encoders.txt $(VENV)/z-rad.txt  ## radiomics and fusion: IBSI's values, noise, planted gains; time, memory (HISTOHET_DATA)
	$(BIN)/python tests/bench/radiopathomics.py $(BENCH)

bench-segmentation: $(VENV)/segmentation.txt  ## memory and time of segmenting a CT: BENCH="--voxels 512 512 100 --labels 24 ..."
	$(BIN)/python tests/bench/segmentation.py $(BENCH)

bench-training: $(VENV)/dev.txt $(VENV)/segmentation.txt  ## training a segmentation on phantoms and on real scans: time, memory, Dice: HISTOHET_DATA
	$(BIN)/python tests/bench/segmentation_training.py phantoms $(BENCH)
	$(BIN)/python tests/bench/segmentation_training.py sarcomas --epochs 12 --iterations 100
	$(BIN)/python tests/bench/segmentation_training.py sarcomas --plan default --epochs 1 --iterations 2

bench-atlas: $(VENV)/atlas.txt  ## the atlas of 1,000 slides: time and size to write, time and memory in the browser
	$(BIN)/python tests/bench/atlas.py $(BENCH)

calibrate: $(VENV)/core.txt  ## p-values and intervals on simulated cohorts: do they keep their word
	$(BIN)/python tests/bench/calibration.py $(BENCH)

bench-survival: $(VENV)/core.txt  ## the statistics on 10,000 patients, 12 scores, 4 endpoints: time, memory
	$(BIN)/python tests/bench/survival.py $(BENCH)

check-checkpoints: $(VENV)/encoders.txt  ## every encoder from a random file in its published layout, at full size
	$(BIN)/python tests/bench/checkpoints.py $(BENCH)

fuzz: $(VENV)/dev.txt  ## the readers of foreign files with random ones: make fuzz FUZZ=<inputs per reader>
	FUZZ=$(FUZZ) $(BIN)/pytest tests/fuzz --numprocesses auto

audit: .venv-audit/audit.txt  ## known vulnerabilities of the pinned packages; asks PyPI's advisories
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement requirements/dev.txt --requirement requirements/slurm.txt --requirement requirements/z-rad.txt --requirement requirements/pyradiomics.txt --requirement requirements/segmentation.txt

.venv-audit/audit.txt: requirements/audit.txt
	$(PYTHON) -m venv --clear --without-pip .venv-audit
	$(PYTHON) -m pip --python .venv-audit/bin/python install --disable-pip-version-check -r $<
	touch $@

config-docs: $(VENV)/dev.txt  ## JSON schema and key tables of the configuration, from the settings
	$(BIN)/python -m histohet.config_docs

environments: $(VENV)/dev.txt $(VENV)/z-rad.txt $(VENV)/segmentation.txt  ## write envs/*.yaml, from requirements/
	$(BIN)/python envs/generate.py

rulegraph: $(VENV)/core.txt  ## print the rule graph of docs/architecture.md
	$(BIN)/snakemake $(DEMO) --rulegraph mermaid-js --quiet all

clean:  ## remove results and Snakemake's records, keep the environment
	find results -mindepth 1 ! -path results/.gitkeep -delete
	rm -rf .snakemake

# The interpreter's own pip installs into the environment, so python3-venv is not needed.
$(VENV)/%.txt: requirements/%.txt | $(VENV)/histohet
	$(PIP) --requirement $<
	touch $@

# The library, from where it lies.
$(VENV)/histohet: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "histohet needs Python 3.11, 3.12 or 3.13, this is %s: make PYTHON=/path/to/python3.12" % sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	$(PIP) --no-deps --editable .
	touch $@

# Engines of radiomics: without what they name, of which none of us needs all.
$(VENV)/z-rad.txt $(VENV)/pyradiomics.txt: $(VENV)/%.txt: requirements/%.txt $(VENV)/radiomics.txt
	$(PIP) --no-deps --no-build-isolation --requirement $<
	touch $@

# Each list contains the one before.
$(VENV)/encoders.txt $(VENV)/radiomics.txt $(VENV)/slurm.txt: requirements/core.txt
$(VENV)/dev.txt: requirements/core.txt requirements/encoders.txt requirements/radiomics.txt
$(VENV)/segmentation.txt: requirements/core.txt requirements/encoders.txt requirements/radiomics.txt
$(VENV)/atlas.txt: requirements/core.txt requirements/encoders.txt requirements/dev.txt
