# `make demo` and `make test` do their whole set-up: a virtual environment in the checkout, and Meltano's plugins.

PYTHON ?= python3
# What is installed: the versions that are known to work together, or with requirements.in the newest ones there are.
REQUIREMENTS ?= requirements.txt
# With LOWEST=yes then the lowest versions that the packages declare, and a moto that can live with them (Meltano need
# not: it has an environment of its own elsewhere). Types of theirs are not checked.
LOWEST ?=
MOTO := moto[s3,server]
BIN := .venv/bin
PACKAGES := tap-newstore-fulfillment target-newstore-stock plugins/mappers/mapper-newstore-stock plugins/utilities/newstore-sandbox plugins/utilities/newstore-erp-postgresql
PROJECTS := $(PACKAGES:%=%/pyproject.toml)
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Trust the certificates this machine trusts, as pip does.
export UV_SYSTEM_CERTS := 1
# Compiled once at installation; where Python may not write bytecode, each start would compile everything anew.
export UV_COMPILE_BYTECODE := 1

BENCH ?= --size 100000 --size 1000000 --size 5000000

# Four at once also on two cores: half of what a test of real processes does is waiting.
PYTEST := pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder

# One schedule of `make faults`: which, in which world, on which database of real processes.
SEED ?= 0
WORLD ?= real-processes
DATABASE ?= sqlite
# How often `make soak` tells, kills and plays, and where its reports go as JSON.
SOAK = FAULT_REPORTS=.fault_reports KILLS=100 STORY_SEEDS=20 STORY_STEPS=40 MODEL_SCHEDULES=1000000 AUDIT_TRIALS=1000 TWO_MACHINES=500 \
	MINUTES_OF_LOAD=60 SCHEDULES_PRICED=1000 \
	SCHEDULES=$${SCHEDULES:-840} SCHEDULES_IN_ONE_PROCESS=$${SCHEDULES_IN_ONE_PROCESS:-7000}

.PHONY: demo demo-erp docs test fuzz faults failover soak bench lint install requirements release-check clean

demo: .meltano/.installed
	python -m tests.end_to_end.demo

demo-erp: .meltano/.installed
	python -m tests.end_to_end.demo_erp

test: $(if $(LOWEST),,lint) .meltano/.installed
	$(PYTEST)

fuzz: .venv/.installed
	BODIES=100000 LEDGER_EXAMPLES=50000 DAMAGED_ROWS=1000000 DAMAGES=1000 LISTS=10000 TABLES=10000 PARQUETS=10000 BOOKINGS=10000 WRONG_NUMBERS=10000 SHOPS_WITH_CLERKS=200 ERP_DAYS=1000 $(PYTEST) \
		tests/tap/test_fuzzed_bodies.py tests/mapper/test_against_an_oracle.py tests/mapper/test_damaged_lists.py tests/mapper/test_kept_lists.py tests/mapper/test_kept_tables.py \
		tests/mapper/test_parquet_lists.py tests/mapper/test_parquet_like_tables.py tests/mapper/test_kept_bookings.py \
		tests/end_to_end/test_fuzzed_shop.py tests/mapper/test_wrong_numbers.py tests/mapper/test_changes_under_way.py tests/erp/test_with_the_mapper.py

faults: .venv/.installed
	python -m tests.faults $(SEED) --world=$(WORLD) --database=$(DATABASE) $(SCOPE:%=--scope=%) $(if $(FORM),--form='$(FORM)')

# So many failovers to a standby that has everything, and so many to one that lags.
failover: .venv/.installed
	FAILOVERS=$${FAILOVERS:-100} $(PYTEST) tests/faults/test_failover.py
	EVERY_STATEMENT=1 $(PYTEST) tests/upgrades/test_killed_copies.py tests/upgrades/test_killed_upgrades.py

soak: .venv/.installed
	$(SOAK) $(PYTEST) tests/faults

bench: .meltano/.installed
	python -m tests.benchmarks $(BENCH)

lint: .venv/.installed
	ruff check .
	ruff format --check .
	mypy

docs: .venv/.installed
	python -m tests.documentation.written

install: .meltano/.installed

requirements: .venv/.installed
	uv pip compile --quiet --universal --python-version 3.11 --no-header requirements.in $(PROJECTS) --output-file requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-header tests/dbt/requirements.in --output-file tests/dbt/requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-header tests/release/requirements.in --output-file tests/release/requirements.txt

# What a tag would publish: built, looked through, tried with the oldest and the newest versions it allows, described.
release-check: .venv/.installed
	pytest --quiet tests/release
	python -m tests.release

clean:
	rm -rf .venv .meltano .sandbox dist .screenshots .mypy_cache .ruff_cache .pytest_cache

.venv/.installed: $(REQUIREMENTS) $(PROJECTS)
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check --constraint requirements.txt uv
	uv pip install --quiet --requirements $(REQUIREMENTS) $(PACKAGES:%=--editable %)
	python -m compileall -q $(PACKAGES)
	$(if $(LOWEST),uv pip compile --quiet --resolution lowest-direct --all-extras $(PROJECTS) --output-file .venv/lowest.txt)
	$(if $(LOWEST),uv pip install --quiet --requirements .venv/lowest.txt "$(MOTO)")
	touch $@

.meltano/.installed: .venv/.installed meltano.yml
	meltano --log-level=warning install
	touch $@
