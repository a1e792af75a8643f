# SPDX-License-Identifier: Apache-2.0
# Training and adaptation, without ROS. docker build -f docker/training.Dockerfile -t diff2i2p:training .
# torch brings the CUDA libraries that it was built for; the host needs the driver alone.
FROM python:3.11.13-slim-bookworm

SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git libgomp1 \
    && rm -rf /var/lib/apt/lists/*

ARG PIP_EXTRA_INDEX_URL=""
# The packages' metadata alone, so that a change of their sources does not install torch again.
COPY requirements.lock /tmp/
COPY models/setup.py models/setup.cfg models/pyproject.toml models/package.xml /tmp/diff2i2p/
COPY models/resource /tmp/diff2i2p/resource
COPY simulation/setup.py simulation/setup.cfg simulation/pyproject.toml simulation/package.xml \
    /tmp/diff2i2p_sim/
COPY simulation/resource /tmp/diff2i2p_sim/resource
COPY training/pyproject.toml /tmp/diff2i2p_training/
RUN pip install --no-cache-dir "/tmp/diff2i2p[onnxruntime]" /tmp/diff2i2p_sim /tmp/diff2i2p_training \
        -c /tmp/requirements.lock \
    && pip uninstall -y diff2i2p diff2i2p_sim diff2i2p_training

COPY models /src/models
COPY simulation /src/simulation
COPY training /src/training
RUN pip install --no-cache-dir --no-deps /src/models /src/simulation /src/training \
    && useradd --uid 10001 --create-home trainer \
    && mkdir /data /runs && chown trainer /data /runs
USER 10001
WORKDIR /runs
HEALTHCHECK NONE
ENTRYPOINT ["diff2i2p-train"]
CMD ["--help"]
