#!/bin/sh
# probe.sh LIBEXEC UNITS PACKAGES: what the role must know of the host before it begins. Lists are separated by blanks.
# Prints one line per finding:
#   package NAME       a package that is not installed
#   file SUM NAME      a file in LIBEXEC
#   active UNIT        a unit that runs and is started at boot, too
#   unit UNIT          a unit that runs or is started at boot
libexec=$1 units=$2 packages=$3

if command -v dpkg-query >/dev/null; then
    for package in $packages; do
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
        *i\ ) ;;
        *) echo "package $package" ;;
        esac
    done
else
    for package in $packages; do rpm -q --whatprovides "$package" >/dev/null 2>&1 || echo "package $package"; done
fi

if cd "$libexec" 2>/dev/null; then
    sha256sum -- check_* sky_plugin.py 2>/dev/null | while read -r sum name; do echo "file $sum $name"; done
fi

for unit in $units; do
    runs=no boot=no
    systemctl -q is-active "$unit" 2>/dev/null && runs=yes
    [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ] && boot=yes
    if [ $runs$boot = yesyes ]; then echo "active $unit"; fi
    if [ $runs$boot != nono ]; then echo "unit $unit"; fi
done
exit 0
