#!/bin/sh
# Managed by Ansible (sky.pg_cluster, role pg_backup).
# restore_command of a standby: WAL from the repository, but only for one that cannot stream and so could not be promoted anyhow. A
# promotion asks for WAL, too, and must never wait for a repository that is gone. Arguments: configuration, stanza, %f, %p.
flag=/run/sky-backup/catch-up
[ -e "$flag" ] || exit 1
timeout 60 pgbackrest --config="$1" --stanza="$2" archive-get "$3" "$4" && exit 0
# A server looks for a newer timeline before it asks for any WAL: that there is none says nothing of the WAL.
case $3 in *.history) exit 1 ;; esac
# Whatever the repository has is replayed, or it does not answer: streaming is tried next.
rm -f "$flag"
exit 1
