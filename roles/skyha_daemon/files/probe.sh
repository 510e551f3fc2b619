#!/bin/sh
# probe.sh INSTALL_DIR HASH INTERPRETER SKYHA_USER PACKAGE...: what the role must know of the node. One line per finding:
#   package NAME  a package that is not installed
#   installed     this very release is installed, linked and has its commands
#   venv          the virtual environment is there
#   active        skyha runs
#   foreign       its record belongs to another user than SKYHA_USER: of a skyha that ran as PostgreSQL's user
dir=$1 hash=$2 interpreter=$3 user=$4
shift 4
if command -v dpkg-query >/dev/null; then
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
        *i\ ) ;;
        *) echo "package $package" ;;
        esac
    done
else
    for package in "$@"; do rpm -q "$package" >/dev/null 2>&1 || echo "package $package"; done
fi
if [ -e "$dir/$hash/.complete" ] && [ "$(readlink "$dir/current")" = "$hash" ] && [ -x "$interpreter" ] &&
    [ -x /usr/local/bin/skyctl ] && [ -x /usr/local/bin/skyhad ] &&
    [ -x /usr/local/bin/skyha-errand ]; then
    echo installed
fi
if [ -x "$dir/venv/bin/python" ]; then echo venv; fi
if [ -e /var/lib/skyha ] && [ "$(stat -c %U /var/lib/skyha)" != "$user" ]; then echo foreign; fi
if systemctl -q is-active skyha.service 2>/dev/null; then echo active; fi
exit 0
