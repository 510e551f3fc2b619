#!/bin/sh
# probe.sh SERVER PREFIX SERVICE: what is installed already. Prints one line per finding:
#   version TEXT       what SERVER --version says
#   build KEY          the build that PREFIX holds
#   directory          PREFIX is there, and is no link
#   enabled            SERVICE starts at boot
#   common             the directory for Debian's settings of automatic clusters is there
[ -x "$1" ] && echo "version $("$1" --version)"
[ -r "$2/.sky_build_id" ] && echo "build $(cat "$2/.sky_build_id")"
[ -e "$2" ] && [ ! -L "$2" ] && echo directory
[ "$(systemctl is-enabled "$3.service" 2>/dev/null)" = enabled ] && echo enabled
[ -d /etc/postgresql-common/createcluster.d ] && echo common
exit 0
