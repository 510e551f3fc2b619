#!/bin/sh
# One look at a node, printed as YAML: state.sh BIN_DIR DATA_DIR VIP TLS_CONF
bin=$1 data=$2 vip=$3 tls=$4
is() { if "$@" >/dev/null 2>&1; then echo true; else echo false; fi; }
holds_vip() { ip -o address show | grep -qF " $vip/"; }
entries=$(ls -A "$data" 2>/dev/null)
echo "installed: $(is test -x "$bin/postgres")"
echo "empty: $(is test -z "$entries")"
echo "version: '$(cat "$data/PG_VERSION" 2>/dev/null)'"
echo "standby: $(is test -e "$data/standby.signal")"
echo "active: $(is systemctl is-active sky-postgresql.service)"
# A server that runs outside the unit (pg_ctl) still owns the data directory; a pid left by a crash is not believed.
echo "running: $(is test "/proc/$(head -n 1 "$data/postmaster.pid" 2>/dev/null)/cwd" -ef "$data")"
echo "skyha: $(is systemctl is-active skyha.service)"
echo "vip: $(is holds_vip)"
echo "arping: $(is command -v arping)"
echo "tls_offered: $(is test -e "$tls")"
echo "tls_required: $(is grep -q '^# TLS is required' "$data/pg_hba.conf")"
# What a standby of this server's WAL must not have less of (PostgreSQL would not start it).
echo "floor: {$(LC_ALL=C "$bin/pg_controldata" "$data" 2>/dev/null |
    sed -n 's/^\(max_[a-z_]*\) setting: *\([0-9]*\)$/\1: \2/p' |
    sed 's/^max_prepared_xacts/max_prepared_transactions/; s/^max_locks_per_xact/max_locks_per_transaction/' | paste -sd, | sed 's/,/, /g')}"
