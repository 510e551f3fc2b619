#!/usr/bin/env bash
# Runs molecule scenarios: the given ones; without arguments all but those in `long`; with --all really all, and the tests
# marked long, too. The default one (it builds the cluster) is first, and those with a lab of their own (debian13-..., el-like) are
# last, after which no lab is left. Otherwise the lab is left up when all passed and this is not CI; a failure leaves
# nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."
# molecule wants a UTF-8 locale.
export LC_ALL=C.UTF-8
trap 'lab/lab down' ERR
long=" backup clusters debian13-packages debian13-source el-like lifecycle operations "
shared=() own=()
for scenario in $(cd molecule && echo default */molecule.yml); do
    name=${scenario%/molecule.yml}
    if [ "${1:-}" != --all ] && [[ $long == *" $name "* ]]; then continue; fi
    case $scenario in
    default/*) ;;
    debian* | el-like/*) own+=("$name") ;;
    *) shared+=("$name") ;;
    esac
done
if (($#)) && [ "$1" != --all ]; then
    shared=() own=()
    for name; do
        case $name in debian* | el-like) own+=("$name") ;; *) shared+=("$name") ;; esac
    done
fi
if [ "${1:-}" = --all ]; then export LAB_LONG=1; fi
# What an earlier run told is not to be searched again.
rm -f .cache/molecule-default.*
# molecule remembers that it once made the hosts, and then leaves them out: so here, every time.
if ((${#shared[@]})); then lab/lab up; fi
for scenario in "${shared[@]}"; do
    molecule test --scenario-name "$scenario" --destroy never
done
for scenario in "${own[@]}"; do
    lab/lab down
    molecule test --scenario-name "$scenario" --destroy never
    lab/lab down
done
