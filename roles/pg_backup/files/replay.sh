# Prints one line: done (it takes writes), replaying WHERE, starting, or down. Arguments: psql, socket directory, port, superuser.
answer=$("$1" -X -w -At -h "$2" -p "$3" -U "$4" -d postgres -c "
  SELECT CASE WHEN pg_is_in_recovery() THEN 'replaying ' || coalesce(pg_last_wal_replay_lsn()::text, '') || ', commits of ' ||
  coalesce(pg_last_xact_replay_timestamp()::text, 'no time yet') ELSE 'done' END" 2>&1) && { echo "$answer"; exit 0; }
if [ "$(systemctl is-active sky-postgresql.service)" = active ]; then echo "starting: $answer"; else echo "down: PostgreSQL has ended."; fi
