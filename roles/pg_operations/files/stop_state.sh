#!/bin/sh
# stop_state.sh BIN_DIR DATA_DIR: is PostgreSQL running here, and how far is its WAL? Printed as YAML.
#   running     a server owns the data directory
#   clean       the control file says that the last server was shut down, not killed
#   checkpoint  the last checkpoint that the control file knows (of a primary that was shut down: its very last WAL record)
#   minimum     of a standby: the WAL that its data files need, and have
bin=$1 data=$2
pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$data" ]; then echo "running: true"; else echo "running: false"; fi
control=$(LC_ALL=C "$bin/pg_controldata" "$data" 2>/dev/null)
field() { printf '%s\n' "$control" | sed -n "s/^$1: *//p"; }
case $(field 'Database cluster state') in shut*down*) echo "clean: true" ;; *) echo "clean: false" ;; esac
echo "checkpoint: '$(field 'Latest checkpoint location')'"
echo "minimum: '$(field 'Minimum recovery ending location')'"
if [ -e "$data/standby.signal" ]; then echo "standby: true"; else echo "standby: false"; fi
echo "skyha: $(systemctl is-active skyha.service)"
