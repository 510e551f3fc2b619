# Prints, as YAML, what is known of the watchdog before it is used. Arguments: its device. Needs no more than a shell and systemd.
device=$1
# /dev/watchdog is another name of the first one.
same() { [ "$(plain "$1")" = "$(plain "$2")" ]; }
plain() { real=$(readlink -f "$1"); if [ "$real" = /dev/watchdog ]; then echo /dev/watchdog0; else echo "$real"; fi; }

if [ -e "$device" ]; then echo "there: true"; else echo "there: false"; fi

# systemd's own feeding: 0 is off. (Before systemd 250 it does not tell the device, which then is the first one.)
every=$(systemctl show -p RuntimeWatchdogUSec --value 2>/dev/null)
its=$(systemctl show -p WatchdogDevice --value 2>/dev/null)
case ${every:-0} in
0 | 0s) ;;
*) if same "${its:-/dev/watchdog0}" "$device"; then echo "systemd: '$every'"; fi ;;
esac

# Whoever else has it open; skyha, in whose control group it runs, may.
for link in /proc/[0-9]*/fd/*; do
    case $(readlink "$link" 2>/dev/null) in
    /dev/watchdog*) same "$(readlink "$link")" "$device" || continue ;;
    *) continue ;;
    esac
    process=${link#/proc/} process=${process%%/*}
    [ "$process" != 1 ] || continue
    grep -q 'skyha\.service' "/proc/$process/cgroup" 2>/dev/null && continue
    echo "holder: '$(tr -c 'A-Za-z0-9_.\n-' '?' <"/proc/$process/comm") (pid $process)'"
    break
done
