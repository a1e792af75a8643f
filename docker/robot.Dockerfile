# SPDX-License-Identifier: Apache-2.0
# The robot: ROS 2 Jazzy, the workspace, torch. docker build -f docker/robot.Dockerfile -t diff2i2p:robot .
#   --build-arg VARIANT=gpu                 onnxruntime-gpu and TensorRT besides, for runtime:=onnxruntime
#   --build-arg PIP_EXTRA_INDEX_URL=INDEX   where torch has smaller wheels for the processor alone
# apt packages follow the ROS distribution, whose archive keeps no old versions; Python packages are those of requirements.lock.
FROM ros:jazzy-ros-base-noble

SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        python3-colcon-common-extensions python3-venv tini \
        ros-jazzy-diagnostic-msgs ros-jazzy-nav-msgs ros-jazzy-rmw-fastrtps-cpp ros-jazzy-tf2-ros-py \
    && rm -rf /var/lib/apt/lists/*

ARG VARIANT=cpu
ARG PIP_EXTRA_INDEX_URL=""
# The library's metadata alone, so that a change of its sources does not install torch again.
COPY requirements.lock docker/gpu-requirements.txt /tmp/
COPY models/setup.py models/setup.cfg models/pyproject.toml models/package.xml /tmp/diff2i2p/
COPY models/resource /tmp/diff2i2p/resource
RUN python3 -m venv --system-site-packages /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir "/tmp/diff2i2p[onnxruntime]" -c /tmp/requirements.lock \
    && /opt/venv/bin/pip uninstall -y diff2i2p \
    && if [ "$VARIANT" = gpu ]; then \
        /opt/venv/bin/pip uninstall -y onnxruntime \
        && /opt/venv/bin/pip install --no-cache-dir -r /tmp/gpu-requirements.txt; \
    fi

COPY models /src/models
COPY simulation /src/simulation
COPY launch /src/launch
COPY ros2_ws /src/ros2_ws
WORKDIR /src/ros2_ws
RUN set +u && . /opt/ros/jazzy/setup.bash \
    && /opt/venv/bin/python -m colcon build --merge-install --build-base /tmp/build --install-base /opt/diff2i2p \
    && rm -rf /tmp/build log

COPY docker/entrypoint.sh docker/healthcheck.py /opt/
RUN useradd --uid 10001 --create-home localizer && mkdir /maps && chown localizer /maps
USER 10001
WORKDIR /home/localizer
ENV RMW_IMPLEMENTATION=rmw_fastrtps_cpp \
    FASTRTPS_DEFAULT_PROFILES_FILE=/opt/diff2i2p/share/diff2i2p_bringup/dds/fastdds.xml
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["/opt/entrypoint.sh", "python", "/opt/healthcheck.py"]
# `ros2 launch` hands on this signal alone; at SIGTERM it leaves its nodes behind
STOPSIGNAL SIGINT
ENTRYPOINT ["tini", "--", "/opt/entrypoint.sh"]
CMD ["ros2", "launch", "diff2i2p_bringup", "localize.launch.py", "map:=/maps/site.i2pmap"]
