#!/bin/sh
# own.sh SKYHA_USER POSTGRES_USER DATA_DIR: gives what belonged to PostgreSQL's user to skyha's own, while skyha stands still. PostgreSQL goes on.
# Broken off, it can be run again: the directory of the record, by which the role tells, goes last.
set -e
umask 022
user=$1 server=$2 data=$3
if [ -e "$data/PG_VERSION" ] && ! grep -q "^sky $user " "$data/pg_ident.conf"; then
    echo "$data/pg_ident.conf does not let $user in: run site.yml with the tag streaming_replication first. Nothing was changed." >&2
    exit 1
fi
again() { systemctl start sky-postgresql.path; systemctl start skyha.service; }

systemctl daemon-reload
# That the file gets another owner would count as a request to start PostgreSQL.
systemctl stop skyha.service sky-postgresql.path
# Whatever happens below: as its own user skyha says what it lacks.
trap again EXIT

# What a pg_rewind keeps is PostgreSQL's.
install -d -m 0700 -o "$server" -g "$server" /var/lib/sky-postgresql
for kept in /var/lib/skyha/rewind-unfinished /var/lib/skyha/diverged-*; do
    if [ -e "$kept" ]; then mv "$kept" /var/lib/sky-postgresql/; fi
done
# PostgreSQL reads it, before and after.
if [ -e /var/lib/skyha/synchronous.conf ]; then chmod 0644 /var/lib/skyha/synchronous.conf; fi
chmod 0711 /var/lib/skyha
for secret in /etc/skyha/*.password /etc/skyha/register.pgpass /etc/skyha/signs.key; do
    if [ -e "$secret" ]; then chown "$user:$user" "$secret"; fi
done
# A running server's socket is of before the setting that opens it to the group.
if [ -e "$data/postmaster.pid" ]; then
    socket=$(sed -n 5p "$data/postmaster.pid")/.s.PGSQL.$(sed -n 4p "$data/postmaster.pid")
    if [ -S "$socket" ]; then chmod g+rwx "$socket"; fi
fi
chown -R "$user:$user" /run/skyha
chmod 0755 /run/skyha
find /var/lib/skyha -mindepth 1 -exec chown -h "$user:$user" {} +
chown "$user:$user" /var/lib/skyha
trap - EXIT
again
