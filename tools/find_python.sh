#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Print the Python that .venv is made with: the newest that can make an environment and be built
# against; else the newest there is, for system_packages.sh to complete; else the system's.
set -euo pipefail

versions=(python3.13 python3.12 python3.11 python3.10) # those that ROS has wheels for
complete='import ensurepip, os, sysconfig, venv
os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))'

for python in "${versions[@]}"; do
    if "$python" -c "$complete" 2>/dev/null; then
        echo "$python"
        exit
    fi
done
for python in "${versions[@]}" python3; do
    if command -v "$python" >/dev/null; then
        echo "$python"
        exit
    fi
done
echo python3
