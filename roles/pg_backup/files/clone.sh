# A copy of a cluster that is one of its own. Arguments: directory, user, directory of PostgreSQL's programs, port, superuser, seconds for
# the replay, pgBackRest's command, systemd's limits of the server's unit. What fails leaves the directory for a look; another run asks for it to be taken away.
set -eu
umask 077
dir=$1 user=$2 bin=$3 port=$4 superuser=$5 seconds=$6 restore=$7
shift 7
mkdir -p "$dir"
chown "$user" "$dir"
chmod 700 "$dir"
runuser -u "$user" -- mkdir -m 0700 "$dir/data"
runuser -u "$user" -- sh -c "cd / && $restore"
echo 'local all all trust' >"$dir/hba"
chown "$user" "$dir/hba"
systemd-run --quiet --collect --unit=sky-clone.service --property=User="$user" --property=KillMode=mixed --property=KillSignal=SIGINT \
  --property=Description="copy of a cluster, made by clone.yml" "$@" \
  "$bin/postgres" -D "$dir/data" -c port="$port" -c listen_addresses= -c unix_socket_directories="$dir" -c hba_file="$dir/hba" -c archive_mode=off \
  -c ssl=off -c logging_collector=off -c log_destination=stderr -c shared_preload_libraries= -c shared_buffers=64MB -c huge_pages=off \
  -c primary_conninfo= -c primary_slot_name= -c synchronous_standby_names=
until [ "$(cd / && runuser -u "$user" -- "$bin/psql" -X -w -At -h "$dir" -p "$port" -U "$superuser" -d postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; do
  seconds=$((seconds - 1))
  if [ $seconds -le 0 ] || [ "$(systemctl is-active sky-clone.service)" != active ]; then
    echo "the copy did not reach its target: journalctl -u sky-clone" >&2
    journalctl -u sky-clone -n 5 --no-pager -o cat >&2
    exit 1
  fi
  sleep 1
done
