#!/usr/bin/env bash
# Measures on the lab; results into .cache/bench and docs/.
set -euo pipefail
cd "$(dirname "$0")/.."
python -m tests.lab.bench outages --runs "${RUNS:-10}"
python -m tests.lab.bench switchover --runs "${RUNS:-10}"
python -m tests.lab.bench rejoin --runs "${RUNS:-5}"
python -m tests.lab.bench rebuild --runs "${RUNS:-3}"
python -m tests.lab.bench cost --runs "${COST_RUNS:-12}"
python -m tests.lab.bench archiving --runs "${COST_RUNS:-12}"
