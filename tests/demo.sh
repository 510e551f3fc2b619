#!/usr/bin/env bash
# The demo: the cluster on the lab, then the power of its primary is cut while a client writes.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
ansible-playbook -i inventory/lab site.yml
echo
echo "The cluster stands after $((SECONDS - started)) s. Now the power of its primary is cut, while a client commits every 20 ms."
python -m tests.lab.demo
echo
echo "Look around:   lab/lab shell node2 skyctl status      lab/lab shell node2 skyctl history"
echo "Take it down:  lab/lab down"
