#!/usr/bin/env bash
# Builds the cluster on the lab (changes nothing where it stands) and runs the command given, from the project's root.
set -euo pipefail
cd "$(dirname "$0")/.."
ansible-playbook -i inventory/lab site.yml
exec "$@"
