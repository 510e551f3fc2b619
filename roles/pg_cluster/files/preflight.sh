# Prints, as YAML, what preflight asks of a node. Arguments: data directory, VIP, interface, port.
# Needs nothing but a shell, coreutils and iproute2: it runs on bare hosts.
data=$1 vip=$2 interface=$3 port=$4

directory=$data
while [ ! -d "$directory" ]; do directory=$(dirname "$directory"); done
echo "free_mb: $(df -Pm "$directory" | awk 'NR == 2 {print $4}')"
echo "has_data: $([ -n "$(ls -A "$data" 2>/dev/null)" ] && echo true || echo false)"
echo "interface: $(ip -o link show dev "$interface" >/dev/null 2>&1 && echo true || echo false)"

if [ -n "$(ip -o address show to "$vip" 2>/dev/null)" ]; then
    echo "vip_held: true"
    echo "vip_answers: false"
    exit
fi
echo "vip_held: false"
# What this host remembers of who held it lately is no answer.
ip neigh flush to "$vip" dev "$interface" 2>/dev/null
# A look at any port makes the kernel ask for the VIP's hardware address; who answers that holds it.
python3 - "$vip" "$port" 2>/dev/null <<'PROBE'
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
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
