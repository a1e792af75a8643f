# SPDX-License-Identifier: Apache-2.0
# Training and adaptation, without ROS. docker build -f docker/training.Dockerfile -t diff2i2p:training .
# torch brings the CUDA libraries that it was built for; the host needs the driver alone.
FROM python:3.11.13-slim-bookworm

SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git libegl1 libgl1 libgomp1 libusb-1.0-0 libx11-6 \
    && rm -rf /var/lib/apt/lists/*

ARG PIP_EXTRA_INDEX_URL=""
COPY requirements.lock docker/training-requirements.txt /tmp/
RUN pip install --no-cache-dir -r /tmp/training-requirements.txt -c /tmp/requirements.lock

COPY models /src/models
COPY simulation /src/simulation
COPY training /src/training
RUN pip install --no-cache-dir --no-deps /src/models /src/simulation /src/training && useradd --uid 10001 --create-home trainer \
    && mkdir /data /runs && chown trainer /data /runs
USER 10001
WORKDIR /runs
HEALTHCHECK NONE
ENTRYPOINT ["diff2i2p-train"]
CMD ["--help"]
