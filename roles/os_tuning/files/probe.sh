#!/bin/sh
# probe.sh VIP ADDRESS USER CHAIN PACKAGE...: what the role must know of the host before it begins. VIP may be empty; ADDRESS is
# the host's own; CHAIN is the iptables chain of the firewall.
# Prints one line per finding:
#   package NAME       a PACKAGE that is not installed
#   user HOME SHELL    USER exists
#   unit NAME          an acpid unit that is enabled or running
#   vip FILE           a file of the host's network configuration that names the VIP
#   network-scripts    the host still has the network-scripts package (ifup-aliases)
#   firewalld          firewalld is running
#   firewalld-zone ZONE   ... and which zone ADDRESS is in
#   sky-firewall       the collection's own firewall unit is installed
#   sky-firewall-on    ... active, enabled, and its rules are loaded (another firewall may have flushed them)
#   logind-directory, sky-directory   directories that the role would have to make
#   sudo, nft, chrony  visudo, nft, chronyd are installed
#   ntpdate-job        the role's own cron job is there
#   needrestart-directory, dnf-automatic   needrestart's directory of settings, dnf-automatic's file of settings is there
#   dnf-excludes PATTERN   a package that dnf-automatic leaves alone already
#   ssh PORT           a port that sshd, or systemd in its place, listens on
vip=$1 address=$2 user=$3 chain=$4
shift 4

if command -v dpkg-query >/dev/null; then
    # A package may be there under another one's name (Provides): then apt decides, which changes nothing.
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
        *i\ ) ;;
        *) echo "package $package" ;;
        esac
    done
else
    for package in "$@"; do rpm -q "$package" >/dev/null 2>&1 || echo "package $package"; done
fi

getent passwd "$user" | awk -F: '{ print "user", $6, $7 }'

for unit in acpid.service acpid.socket acpid.path; do
    [ "$(systemctl is-enabled $unit 2>/dev/null)" = enabled ] || systemctl -q is-active $unit || continue
    echo "unit $unit"
done

if [ -n "$vip" ]; then
    pattern="^[^#]*\b$(printf %s "$vip" | sed 's/[.]/[.]/g')\b"
    grep -rlE "$pattern" /etc/network/interfaces /etc/network/interfaces.d /etc/netplan /etc/systemd/network \
        /etc/NetworkManager/system-connections /etc/sysconfig/network-scripts 2>/dev/null | sed 's/^/vip /'
fi

finding() { word=$1; shift; if "$@" >/dev/null 2>&1; then echo "$word"; fi; }
finding network-scripts test -e /etc/sysconfig/network-scripts/ifup-aliases
finding firewalld systemctl -q is-active firewalld.service
if systemctl -q is-active firewalld.service; then
    interface=$(ip -o address show to "$address" 2>/dev/null | awk 'NR == 1 { print $2 }')
    zone=$(firewall-cmd --get-zone-of-interface="$interface" 2>/dev/null) || zone=$(firewall-cmd --get-default-zone 2>/dev/null)
    echo "firewalld-zone ${zone:-public}"
fi
finding sky-firewall test -e /etc/systemd/system/sky-firewall.service
loaded() {
    systemctl -q is-active sky-firewall && systemctl -q is-enabled sky-firewall || return 1
    nft list table inet sky_pg_cluster || iptables -n -L "$chain"
}
finding sky-firewall-on loaded
finding logind-directory test -d /etc/systemd/logind.conf.d
finding sky-directory test -d /etc/sky-pg-cluster
finding sudo test -x /usr/sbin/visudo
finding nft test -x /usr/sbin/nft
finding chrony test -x /usr/sbin/chronyd
finding needrestart-directory test -d /etc/needrestart/conf.d
finding dnf-automatic test -e /etc/dnf/automatic.conf
sed -n '/^\[base\]/,/^\[/s/^ *exclude\(pkgs\)\? *[=:] *//p' /etc/dnf/automatic.conf 2>/dev/null | tr -s ', ' '\n\n' | sed '/^$/d; s/^/dnf-excludes /'
finding ntpdate-job test -e /etc/cron.d/sky-ntpdate
{
    ss -Hltnp 2>/dev/null | sed -n '/"\(sshd\|dropbear\)"/s/^[^ ]* *[^ ]* *[^ ]* *[^ ]*:\([0-9]*\) .*/\1/p'
    for unit in ssh.socket sshd.socket; do
        systemctl -q is-active $unit 2>/dev/null || continue
        systemctl show -p Listen $unit | sed -n 's/.*[:=]\([0-9]*\) (Stream)$/\1/p'
    done
} | sort -un | sed 's/^/ssh /'
exit 0
