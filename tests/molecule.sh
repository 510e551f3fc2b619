#!/usr/bin/env bash
# Runs the molecule scenarios, the default one (it builds the cluster) first. The lab is left up when all passed and
# this is not CI; a failure leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."
# molecule wants a UTF-8 locale.
export LC_ALL=C.UTF-8
trap 'lab/lab down' ERR
if (($#)); then scenarios=("$@"); else
    scenarios=(default)
    for scenario in molecule/*/molecule.yml; do
        name=$(basename "$(dirname "$scenario")")
        [ "$name" = default ] || scenarios+=("$name")
    done
fi
# What an earlier run told is not to be searched again.
rm -f .cache/molecule-default.*
# molecule remembers that it once made the hosts, and then leaves them out: so here, every time.
lab/lab up
for scenario in "${scenarios[@]}"; do
    molecule test --scenario-name "$scenario" --destroy never
done
