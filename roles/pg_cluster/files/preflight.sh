# Prints, as YAML, what preflight asks of a node. Arguments: data directory, VIP, interface, port, WAL directory or nothing.
# Needs nothing but a shell, coreutils and iproute2: it runs on bare hosts. Changes nothing but what is remembered of the VIP.
data=$1 vip=$2 interface=$3 port=$4 wal=$5
is() { if "$@" >/dev/null 2>&1; then echo true; else echo false; fi; }
quoted() { printf "'%s'" "$(printf '%s' "$1" | LC_ALL=C tr -c ' -~' '?' | sed "s/'/''/g")"; }

# The directory that is there, of a path that may not be: where it would be made.
made_in() { place=$1; while [ ! -d "$place" ]; do place=$(dirname "$place"); done; echo "$place"; }
room() { df -Pm "$1" | awk 'NR == 2 {print $4}'; }
echo "free_mb: $(room "$(made_in "$data")")"
echo "wal_free_mb: $(room "$(made_in "${wal:-$data}")")"
echo "one_disk: $(is test "$(stat -c %d "$(made_in "$data")")" = "$(stat -c %d "$(made_in "${wal:-$data}")")")"
echo "has_data: $(is test -n "$(ls -A "$data" 2>/dev/null)")"
echo "interface: $(is ip -o link show dev "$interface")"

# What is installed: it, not the inventory, is the truth of what runs.
echo "conf: '$(base64 -w0 /etc/skyha/skyha.conf 2>/dev/null)'"
echo "record: '$(base64 -w0 /var/lib/skyha/state.json 2>/dev/null)'"
echo "record_there: $(is test -e /var/lib/skyha/state.json)"
unit_data=$(sed -n 's/^ExecStart=.* -D //p' /etc/systemd/system/sky-postgresql.service 2>/dev/null)
echo "unit_data: $(quoted "$unit_data")"

# What is in the data directory. The first 8 bytes of pg_control are the system identifier.
echo "version: $(quoted "$(cat "$data/PG_VERSION" 2>/dev/null)")"
echo "identifier: '$(od -An -t u8 -N 8 "$data/global/pg_control" 2>/dev/null | tr -d ' ')'"
echo "wal: $(quoted "$(readlink "$data/pg_wal")")"
# Made by these roles: the unit names it (a first run that was broken off has no more), or its configuration says so.
echo "ours: $(is sh -c 'test "$1" = "$2" || grep -q "^# Managed by Ansible (sky.pg_cluster" "$1/postgresql.conf"' sh "$data" "$unit_data")"
echo "standbys: '$(grep -m 1 '^host replication ' "$data/pg_hba.conf" 2>/dev/null | base64 -w0)'"
# A pid left by a crash is not believed.
server=$(head -n 1 "$data/postmaster.pid" 2>/dev/null)
[ "/proc/$server/cwd" -ef "$data" ] || server=
echo "server: '$server'"
# Where it listens, which may be another port than the inventory's.
echo "server_port: '${server:+$(sed -n 4p "$data/postmaster.pid")}'"
echo "server_socket_dir: $(quoted "${server:+$(sed -n 5p "$data/postmaster.pid")}")"
# Who listens on the port, unless it is that server: "name (pid N)".
listener=$(ss -Hltnp "sport = :$port" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (pid \2)/p' | sort -u | grep -v "(pid ${server:-none})" | paste -sd, -)
echo "listener: $(quoted "$listener")"

if [ -z "$vip" ]; then
    echo "vip_held: false"
    echo "vip_answers: false"
    exit
fi
if [ -n "$(ip -o address show to "$vip" 2>/dev/null)" ]; then
    echo "vip_held: true"
    echo "vip_answers: false"
    exit
fi
echo "vip_held: false"
# What this host remembers of who held it lately is no answer.
ip neigh flush to "$vip" dev "$interface" 2>/dev/null
# A look at any port makes the kernel ask for the VIP's hardware address; who answers that holds it, or is a router that answers for
# others. The routers are asked for theirs as well.
case $vip in *:*) family=-6 ;; *) family=-4 ;; esac
routers=$(ip $family route show dev "$interface" 2>/dev/null | sed -n 's/.* via \([^ ]*\).*/\1/p' | sort -u | paste -sd' ' -)
python3 - "$vip" "$port" $routers 2>/dev/null <<'PROBE'
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
for router in sys.argv[3:]:
    try:
        socket.socket(socket.AF_INET6 if ":" in router else socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", (router, 9))
    except OSError:
        pass
probe = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
probe.settimeout(1)
try:
    probe.connect((address, port))
    answer = True
except ConnectionRefusedError:
    answer = True
except OSError:
    answer = False
print("vip_answers:", str(answer).lower())
PROBE
neighbour=$(ip neigh show to "$vip" 2>/dev/null)
case $neighbour in
*REACHABLE*) echo "vip_neighbour: true" ;;
esac
# Whose hardware address that is, as far as this host knows.
hardware=$(printf '%s\n' "$neighbour" | sed -n 's/.* lladdr \([^ ]*\).*/\1/p' | head -n 1)
[ -z "$hardware" ] || has=$(ip neigh show dev "$interface" | awk -v it="$hardware" -v vip="$vip" '$0 ~ " lladdr " it && $1 != vip {print $1}' | sort | paste -sd' ' -)
echo "vip_hardware: '$hardware'"
echo "vip_hardware_has: '${has:-}'"
echo "routers: '$routers'"
