#!/usr/bin/env bash
# Measures on the lab; results into .cache/bench and docs/.
set -euo pipefail
cd "$(dirname "$0")/.."
python -m tests.lab.bench outages --runs "${RUNS:-10}"
