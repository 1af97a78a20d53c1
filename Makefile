# `make demo` shows what fedsynth does, `make poc` in a real federation, `make test` checks that it does it.
PYTHON ?= python3
RUN ?= runs/demo
VENV := .venv
OPTIONS := $(if $(SITES),--sites $(SITES)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(PRIVACY),--privacy $(PRIVACY))

.PHONY: demo poc test federation redteam faults controls utility lint lock clean

# PRIVACY=8 claims that ε for each patient, in a run folder of its own: what is spent there stays spent.
demo: RUN := $(if $(PRIVACY),$(if $(filter file,$(origin RUN)),runs/private-$(PRIVACY),$(RUN)),$(RUN))
demo: $(VENV)/installed
	$(VENV)/bin/fedsynth demo $(RUN) $(OPTIONS)

# The same in a provisioned, locked-down federation on this machine: server, sites and administrator with mutual TLS.
poc: RUN := $(if $(filter file,$(origin RUN)),runs/poc,$(RUN))
poc: ROUNDS ?= 2
poc: $(VENV)/installed
	$(VENV)/bin/fedsynth demo $(RUN) --env poc $(if $(SITES),--sites $(SITES)) --rounds $(ROUNDS)

test: $(VENV)/installed lint
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# About a quarter of an hour: trainings whose parts are killed, and provisioned federations, each a run of its own.
federation: $(VENV)/installed
	$(VENV)/bin/python -m pytest -m federation -n 2 --dist loadfile tests/jobs tests/poc_workspace

# Minutes: attacks on running federations.
redteam: $(VENV)/installed
	$(VENV)/bin/python -m pytest -m redteam tests/poc_workspace

# An hour or more (a case takes 2 to 3 minutes of processor time): faults done to running federations, what happened
# into docs/faults.md. A full disk and a cut network need root.
faults: $(VENV)/installed
	$(VENV)/bin/python -m benchmarks.faults --beside 2
	$(VENV)/bin/python -m benchmarks.tables

# About an hour on one core: every control in its full form, measured tables into docs/controls.md.
controls: $(VENV)/installed
	$(VENV)/bin/python -m pytest -m full tests/privacy_eval/controls
	$(VENV)/bin/python -m benchmarks.controls
	$(VENV)/bin/python -m benchmarks.controls_images
	$(VENV)/bin/python -m benchmarks.shadow
	$(VENV)/bin/python -m benchmarks.tables

# About 33 hours of one core (QUICK=1: 95 to 180 minutes) on a finished demo: what its images are worth, into
# docs/utility.md. What a stopped one has trained is kept in the run folder.
utility: $(VENV)/installed
	$(VENV)/bin/python -m benchmarks.utility $(RUN) $(if $(QUICK),--quick)
	$(VENV)/bin/python -m benchmarks.tables

lint: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

# The lock pins every package; torch 2.13.0 was the version tested, newer ones are allowed by pyproject.toml.
$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fedsynth needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# From a fresh environment, so that nothing stale is locked.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet torch==2.13.0
	build/lock/bin/python -m pip install --quiet --editable '.[dev]'
	build/lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf $(VENV) build runs
