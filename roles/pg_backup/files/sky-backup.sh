#!/bin/sh
# Managed by Ansible (sky.pg_cluster, role pg_backup).
# sky-backup full|diff|incr STANZA: takes a backup, of the standby where one streams.
# sky-backup check STANZA: restores the newest backup into a scratch directory, starts it, looks at it, and removes it.
# Where there is no backup host both nodes run this, and each finds out whether it is its turn.
# sky-backup watch STANZA: on a node, each minute: lets a standby that cannot stream take its WAL from the repository.
set -eu
umask 077
job=$1 stanza=$2
. "/etc/sky-backup/$stanza.env"
export LC_ALL=C

# Exit code of pgBackRest where no standby runs (error HOST_CONNECT is another: an unreachable host is none, either).
NO_STANDBY=56

say() { echo "sky-backup: $*"; }
fail() { echo "sky-backup: $*" >&2; exit 1; }
backrest() { pgbackrest --config="$CONFIG" --stanza="$stanza" --log-level-console=info "$@"; }

# What this node is, as skyha sees it: standby, lost (a standby that does not stream), primary, alone, or nothing where it is not known.
role_here() {
    skyctl status --json | python3 -c '
import json, sys
here = json.load(sys.stdin)["here"]
status = here["status"] if here["live"] else {}
streams, role = status.get("streaming"), status.get("role")
known = {("standby", True): "standby", ("standby", False): "lost", ("primary", True): "primary", ("primary", False): "alone"}
print(known.get((role, streams), ""))' || :
}

# Says by its exit code whether this host does the job now. What cannot be found out within a minute is an error, not a no.
its_turn() {
    [ "$IS_NODE" = true ] || return 0
    looks=12
    until role=$(role_here) && [ -n "$role" ]; do
        looks=$((looks - 1))
        [ $looks -gt 0 ] || fail "skyha does not tell what this node is, so it is not known whose turn it is. See skyctl status."
        sleep 5
    done
    case $job-$FROM_STANDBY-$role in
    *-alone | *-true-standby | check-*-standby | *-false-primary) return 0 ;;
    esac
    say "it is the other node's turn: this one is $role"
    return 1
}

backup() {
    from=--no-backup-standby
    [ "$FROM_STANDBY" = false ] || from=--backup-standby
    code=0
    backrest --type="$job" $from backup || code=$?
    if [ $code = $NO_STANDBY ] && [ $from = --backup-standby ]; then
        say "no standby can be reached: the backup is taken from the primary"
        code=0
        backrest --type="$job" --no-backup-standby backup || code=$?
    fi
    exit $code
}

newest() {
    pgbackrest --config="$CONFIG" --stanza="$stanza" --output=json info | python3 -c '
import json, sys
whole = [one for stanza in json.load(sys.stdin) for one in stanza.get("backup", []) if not one.get("error")]
if whole:
    print(whole[-1]["label"], whole[-1]["info"]["size"] // 1024)'
}

# The newest backup, whole and of this cluster's version: sets label. The scratch directory is emptied at the end whatever comes.
check() {
    found=$(newest) || fail "the repository does not tell its backups; see above"
    label=${found% *} needed=${found#* }
    [ -n "$label" ] || fail "there is no backup to check yet"
    data=$CHECK_DIR/$stanza/data
    trap 'clean' EXIT
    trap 'exit 1' INT TERM HUP
    clean
    mkdir -p "$data"
    chmod 700 "$CHECK_DIR/$stanza" "$data"
    free=$(df -Pk "$data" | awk 'NR == 2 {print $4}')
    [ "$free" -gt $((needed + needed / 10)) ] ||
        failed "$CHECK_DIR has $((free / 1024)) MB free, and backup $label needs $((needed / 1024)) MB"
    say "restoring backup $label into $data"
    pgbackrest --config="$RESTORE_CONFIG" --stanza="$stanza" --log-level-console=warn --set="$label" --pg1-path="$data" \
        --type=immediate --target-action=pause --archive-mode=off --tablespace-map-all="$CHECK_DIR/$stanza/tablespaces" restore ||
        failed "backup $label could not be restored"
    version=$(cat "$data/PG_VERSION")
    case $("$BIN_DIR/postgres" --version) in
    *" $version" | *" $version."* | *" $version"[a-z]*) ;;
    *) failed "backup $label is of PostgreSQL $version, and $BIN_DIR here is another version" ;;
    esac
    echo 'local all all trust' >"$CHECK_DIR/$stanza/hba"
    start || failed "backup $label was restored, and its server does not start: $(tail -n 3 "$CHECK_DIR/$stanza/log" | tr '\n' ' ')"
    answer=$("$BIN_DIR/psql" -X -w -At -v ON_ERROR_STOP=1 -h "$CHECK_DIR/$stanza" -p 5432 -U "$SUPERUSER" -d "$CHECK_DATABASE" \
        -c "$CHECK_QUERY" 2>&1) || failed "backup $label: the query failed: $answer"
    case $answer in '' | f) failed "backup $label: the query brought '${answer:-no row}'" ;; esac
    say "consistent; the query brought $(echo "$answer" | head -n 1)"
    "$BIN_DIR/pg_ctl" -D "$data" -s -w -m fast stop
    if "$BIN_DIR/pg_controldata" "$data" | grep -q 'page checksum version: *[1-9]'; then
        "$BIN_DIR/pg_checksums" --check -D "$data" || failed "backup $label: a page's checksum is wrong"
    else
        say "its pages have no checksums, so they were not looked at"
    fi
    say "backup $label is good"
    noted sky-verified ""
}

start() {
    "$BIN_DIR/pg_ctl" -D "$data" -s -w -t "$CHECK_TIMEOUT" -l "$CHECK_DIR/$stanza/log" -o "-c port=5432 \
        -c unix_socket_directories='$CHECK_DIR/$stanza' -c hba_file='$CHECK_DIR/$stanza/hba' $APART" start
}

clean() {
    [ ! -e "$data/postmaster.pid" ] || "$BIN_DIR/pg_ctl" -D "$data" -s -w -m immediate stop || :
    rm -rf "${CHECK_DIR:?}/$stanza"
}

failed() {
    say "$*" >&2
    noted sky-failed "$*"
    exit 1
}

# What came of it: here, and with the backup in the repository, where every host that reads it sees it.
noted() {
    ok=true
    [ "$1" = sky-verified ] || ok=false
    python3 -c '
import json, sys, time
print(json.dumps({"at": time.time(), "label": sys.argv[1], "ok": sys.argv[2] == "true", "detail": sys.argv[3]}))' "$label" $ok "$2" >"$STATE_DIR/check.new"
    mv "$STATE_DIR/check.new" "$STATE_DIR/check.json"
    pgbackrest --config="$CONFIG" --stanza="$stanza" --set="$label" --annotation="$1=$(date -u +%Y-%m-%dT%H:%M:%SZ)" annotate ||
        fail "that could not be noted in the repository: see above"
}

# The flag that sky-restore-wal asks for, once the standby has not streamed for two looks.
watch() {
    was=/run/sky-backup/does-not-stream
    lost=$("$BIN_DIR/psql" -X -w -At -h "$SOCKET_DIR" -p "$PORT" -U "$SUPERUSER" -d postgres -c "
        SELECT pg_is_in_recovery() AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')" 2>/dev/null) || lost=
    if [ -z "$lost" ]; then
        # One that was just restored lets nobody in before it has the WAL of its backup: pg_isready says 1. 2: no server.
        code=0
        "$BIN_DIR/pg_isready" -q -h "$SOCKET_DIR" -p "$PORT" || code=$?
        [ $code = 1 ] || exit 0
        lost=t
    fi
    if [ "$lost" != t ]; then
        rm -f "$was" /run/sky-backup/catch-up
    elif [ -e "$was" ]; then
        [ -e /run/sky-backup/catch-up ] || say "the standby does not stream: its WAL is asked of the repository"
        touch /run/sky-backup/catch-up
    else
        touch "$was"
    fi
}

case $job in
watch) watch ;;
full | diff | incr) ! its_turn || backup ;;
check) ! its_turn || check ;;
*) fail "what to do must be full, diff, incr, check or watch, not $job" ;;
esac
