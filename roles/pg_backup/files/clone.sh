# A copy of a cluster that is one of its own. Arguments: stanza, directory, user, port, seconds for the replay, pgBackRest's command,
# systemd's limits of the server's unit. What fails leaves the directory for a look; another run asks for it to be taken away.
set -eu
umask 077
. "/etc/sky-backup/$1.env"
dir=$2 user=$3 port=$4 seconds=$5 restore=$6
shift 6
mkdir -p "$dir"
chown "$user" "$dir"
chmod 700 "$dir"
runuser -u "$user" -- mkdir -m 0700 "$dir/data"
runuser -u "$user" -- sh -c "cd / && $restore"
echo 'local all all trust' >"$dir/hba"
chown "$user" "$dir/hba"
# shellcheck disable=SC2086 # APART is words
systemd-run --quiet --collect --unit=sky-clone.service --property=User="$user" --property=KillMode=mixed --property=KillSignal=SIGINT \
  --property=Description="copy of a cluster, made by clone.yml" "$@" \
  "$BIN_DIR/postgres" -D "$dir/data" -c port="$port" -c unix_socket_directories="$dir" -c hba_file="$dir/hba" $APART
until [ "$(cd / && runuser -u "$user" -- "$BIN_DIR/psql" -X -w -At -h "$dir" -p "$port" -U "$SUPERUSER" -d postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; do
  seconds=$((seconds - 1))
  if [ $seconds -le 0 ] || [ "$(systemctl is-active sky-clone.service)" != active ]; then
    echo "the copy did not reach its target: journalctl -u sky-clone" >&2
    journalctl -u sky-clone -n 5 --no-pager -o cat >&2
    exit 1
  fi
  sleep 1
done
