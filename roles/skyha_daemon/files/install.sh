#!/bin/sh
# install.sh INSTALL_DIR HASH INTERPRETER: makes an unpacked release the current one. The commands resolve the link once,
# at their start: a skyhad that runs keeps the release it was started from until it is restarted.
set -e
# Whatever root's is: skyha's user and the database's read all of it.
umask 022
dir=$1 hash=$2 interpreter=$3
"$interpreter" -m compileall -q "$dir/$hash/skyha"

command_file() { # NAME MODULE
    cat > "/usr/local/bin/.$1.new" <<EOF
#!$interpreter -I
# Managed by Ansible (sky.pg_cluster, role skyha_daemon).
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.realpath("$dir/current"))
from $2 import main

raise SystemExit(main())
EOF
    chmod 0755 "/usr/local/bin/.$1.new"
    mv -f "/usr/local/bin/.$1.new" "/usr/local/bin/$1"
}

before=$(readlink "$dir/current" || :)
ln -sfn "$hash" "$dir/.current.new"
mv -fT "$dir/.current.new" "$dir/current"
command_file skyhad skyha.daemon.main
command_file skyctl skyha.cli.main
command_file skyha-errand skyha.world.errand_child
mkdir -p /etc/bash_completion.d
/usr/local/bin/skyctl completion bash > /etc/bash_completion.d/skyctl
touch "$dir/$hash/.complete"

# Releases but this one and the one before it (which may still run) go.
for old in "$dir"/*/skyha; do
    old=$(basename "$(dirname "$old")")
    case $old in
    "$hash" | "$before" | current) ;;
    *) rm -rf "${dir:?}/$old" ;;
    esac
done
