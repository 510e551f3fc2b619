# Prints, as JSON, how the server that runs here is configured, and what of it only a restart would change. Nothing is
# printed where no server answers.
# Arguments: bin directory, data directory, superuser, socket directory, port. Runs as the server's own user.
bin=$1 data=$2 superuser=$3 socket=$4 port=$5
running=$(readlink "/proc/$(head -n 1 "$data/postmaster.pid" 2>/dev/null)/exe")
installed=$(readlink -f "$bin/postgres")
export PGCONNECT_TIMEOUT=5 PGOPTIONS="-c statement_timeout=10s"
cd / && exec "$bin/psql" -X -w -A -t -q -v ON_ERROR_STOP=1 -v running="$running" -v installed="$installed" \
    -h "$socket" -p "$port" -U "$superuser" -d postgres -f - <<'SQL'
-- Reading the files in this very session marks what waits for a restart: a reload may be under way, or not asked for yet.
select count(*) as looked from pg_file_settings \gset
with file as (
  select distinct on (lower(name)) lower(name) as name, setting,
         case when sourcefile = current_setting('config_file') then 'postgresql.conf'
              when sourcefile = current_setting('data_directory') || '/postgresql.auto.conf' then 'ALTER SYSTEM'
              else sourcefile end as source
    from pg_file_settings where name is not null
     -- A node's own.
     and lower(name) not in ('primary_conninfo', 'primary_slot_name')
   order by lower(name), seqno desc)
select json_build_object(
  'version', current_setting('server_version'),
  'program', json_build_object('running', :'running', 'installed', :'installed'),
  'files', (select json_object_agg(name, json_build_object('text', setting, 'source', source)) from file),
  'running', (select json_object_agg(name, current_setting(name)) from pg_settings
               where source in ('configuration file', 'command line', 'environment variable')
                 and name not in ('primary_conninfo', 'primary_slot_name')),
  'pending', (select coalesce(json_object_agg(s.name, json_build_object('now', current_setting(s.name),
                'later', coalesce(f.setting, s.boot_val))), '{}')
                from pg_settings s left join file f on f.name = lower(s.name) where s.pending_restart),
  'hba', (select json_agg(concat_ws(' ', type, array_to_string(database, ','), array_to_string(user_name, ','), address,
                            netmask, auth_method, array_to_string(options, ' '), error) order by line_number)
            from pg_hba_file_rules));
SQL
