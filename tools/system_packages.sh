#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install what the wheels expect from the system, and only what is missing. usage: system_packages.sh PYTHON
set -euo pipefail

python=$1
missing=()

for compiler in gcc g++; do # for tf2_msgs
    command -v "$compiler" >/dev/null || missing+=("$compiler")
done
if ! command -v "$python" >/dev/null; then
    missing+=("$python" "$python-venv" "$python-dev")
else
    "$python" -c "import ensurepip" 2>/dev/null || missing+=("$python-venv")
    [ -e "$("$python" -c "import sysconfig; print(sysconfig.get_path('include'))")/Python.h" ] || missing+=("$python-dev")
fi
if [ -n "${CI:-}" ]; then # what is skipped elsewhere: the report in a browser, the extra [open3d]
    command -v chromium-headless-shell chromium google-chrome >/dev/null || missing+=(chromium-headless-shell)
    known=$(/sbin/ldconfig -p)
    for need in libusb-1.0.so.0:libusb-1.0-0 libGL.so.1:libgl1 libEGL.so.1:libegl1 libX11.so.6:libx11-6; do
        grep -q "${need%:*}" <<<"$known" || missing+=("${need#*:}")
    done
fi

[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Missing from this system: ${missing[*]}. Install them and run make again, for example: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "Installing ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
