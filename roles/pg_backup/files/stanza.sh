# A cluster's place in the repository. Arguments: its name, pgBackRest's configuration, and make (where there is none), say (that there is
# none), or look (whether there is a backup; one that is under way counts). Prints nothing where nothing is to be done.
stanza=$1 config=$2 job=$3
backrest() { pgbackrest --config="$config" --stanza="$stanza" "$@"; }
told=$(backrest --output=json info) || exit 1
found=$(echo "$told" | python3 -c '
import json, sys
(one,) = json.load(sys.stdin)
status = one["status"]
print(status["code"], "busy" if status.get("lock", {}).get("backup", {}).get("held") else "idle", status["message"])') || exit 1
# Codes of "info": 0 ok, 1 missing stanza path, 2 no valid backups, 3 missing stanza data.
case $job-$found in
look-2*idle*) echo "no backup yet" ;;
look-* | *-0\ * | *-2\ *) ;;
say-[13]\ *) echo "a place for $stanza is made" ;;
make-[13]\ *)
  backrest stanza-create || exit 1
  echo "a place for $stanza is made"
  ;;
*)
  echo "the repository cannot be used for $stanza: $(echo "$told" | tr '\n' ' ')" >&2
  exit 1
  ;;
esac
