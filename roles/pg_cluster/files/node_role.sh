# Prints what this node is: primary (it runs and takes writes), standby (running or not), stopped_primary (its data
# directory is no standby's and no server runs), none (no data directory).
# Arguments: bin directory, data directory, system user, superuser, socket directory, port.
bin=$1 data=$2 user=$3 superuser=$4 socket=$5 port=$6

if [ ! -s "$data/PG_VERSION" ]; then
    echo none
    exit
fi
# A server that runs says itself where: its port and socket may be about to change (change_port.yml).
pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$data" ]; then
    port=$(sed -n 4p "$data/postmaster.pid")
    socket=$(sed -n 5p "$data/postmaster.pid")
fi
answer=$(cd / && runuser -u "$user" -- env PGCONNECT_TIMEOUT=5 \
    "$bin/psql" -X -w -A -t -q -h "$socket" -p "$port" -U "$superuser" -d postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)
case $answer in
f) echo primary ;;
t) echo standby ;;
*) if [ -e "$data/standby.signal" ]; then echo standby; else echo stopped_primary; fi ;;
esac
