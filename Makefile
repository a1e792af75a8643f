# SPDX-License-Identifier: Apache-2.0
#   make demo     localize a drive through a synthetic office, with the real node (SEED=7: another one;
#                 SEQUENCE=folder START=frame STOP=frame WEIGHTS=file: your own images)
#   make test     format, lint and tests
#   make bench    the figures of BENCHMARK.md
#   make soak     the real node for MINUTES=30: memory, heartbeat, latency, into out/soak/soak.json and BENCHMARK.md
#   make fuzz     10,000 damaged files and messages; `make test` does 1,500
#   make format   put the sources in order
# Each builds .venv when it is missing or out of date. Installation takes about two minutes.

PYTHON ?= $(shell tools/find_python.sh)
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := demo
.PHONY: demo test bench soak fuzz format .venv

ENV := source tools/ros_env.sh &&
comma := ,
LOCAL_PACKAGES := models simulation training ros2_ws/src/diff2i2p_ros

demo: .venv
	$(ENV) python -m diff2i2p_ros.demo $(if $(SEED),--seed $(SEED)) $(if $(SEQUENCE),--sequence "$(SEQUENCE)") \
		$(if $(START),--start $(START)) $(if $(STOP),--stop $(STOP)) $(if $(WEIGHTS),--weights "$(WEIGHTS)")

test: .venv
	$(ENV) ruff check . && ruff format --check . && pytest $(PYTEST)

bench: .venv
	$(ENV) for script in $(sort $(wildcard benchmarks/bench_*.py)); do python $$script; done

soak: .venv
	$(ENV) python benchmarks/soak.py --minutes $(or $(MINUTES),30)

fuzz: .venv
	$(ENV) python tests/fuzz/fuzz.py

format: .venv
	$(ENV) ruff check --fix . && ruff format .

.venv: .venv/complete

# Extras of the library that development needs; the tests of a missing extra are skipped.
EXTRAS := onnxruntime$(if $(CI),$(comma)open3d)
METADATA := $(wildcard $(LOCAL_PACKAGES:=/setup.py) $(LOCAL_PACKAGES:=/pyproject.toml))
PIP_INSTALL := pip install -qq --disable-pip-version-check -c requirements.lock

# tf2_msgs and tf2_ros have no wheels: the first is generated, of the second a stand-in is put on
# the path of this environment alone.
.venv/complete: requirements.txt requirements.lock tools/pip_ros/make_tf2_msgs.py $(METADATA)
	@tools/system_packages.sh $(PYTHON)
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@echo "Installing into .venv: about two minutes the first time"
	@.venv/bin/python -m $(PIP_INSTALL) -r requirements.txt
	@$(ENV) PYTHONWARNINGS=ignore $(PIP_INSTALL) --no-build-isolation \
		-e "models[$(EXTRAS)]" $(addprefix -e ,$(filter-out models,$(LOCAL_PACKAGES)))
	@$(ENV) python tools/pip_ros/make_tf2_msgs.py
	@$(ENV) echo "$(CURDIR)/tools/pip_ros/tf2_ros_standin" \
		> "$$(python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/tf2_ros_standin.pth"
	@touch $@
