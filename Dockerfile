# Everything in one image: Python, the pinned packages, the workflow. docs/environments.md says how
# to build and use it.
FROM debian:12.11-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

# The packages before the workflow, so that a changed workflow does not fetch PyTorch again.
COPY requirements /opt/histohet/requirements
RUN python3 -m venv /opt/histohet/.venv \
    && /opt/histohet/.venv/bin/pip install --no-cache-dir --requirement /opt/histohet/requirements/encoders.txt

COPY config /opt/histohet/config
# Snakemake notes the environment of every rule beside its results.
COPY envs /opt/histohet/envs
COPY resources /opt/histohet/resources
COPY profiles /opt/histohet/profiles
COPY Snakefile /opt/histohet/Snakefile
COPY workflow /opt/histohet/workflow

# Whoever runs it has a name and a home, where fonts and compiled functions are kept.
ENV PATH=/opt/histohet/.venv/bin:$PATH HOME=/tmp USER=histohet
USER 1000:1000
WORKDIR /cohort
ENTRYPOINT ["snakemake", "--snakefile", "/opt/histohet/Snakefile"]
CMD ["--help"]
