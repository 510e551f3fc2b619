# Makes a cluster's place in the repository where there is none, and tells whether there is a backup. Arguments: its name, pgBackRest's
# configuration, true: only say it. Prints nothing where nothing is to be done.
stanza=$1 config=$2 check=$3
backrest() { pgbackrest --config="$config" --stanza="$stanza" "$@"; }
told=$(backrest --output=json info) || exit 1
said() {
  echo "$told" | python3 -c '
import json, sys
for one in json.load(sys.stdin):
    print(one["status"]["code"], len(one.get("backup", [])))'
}
# Codes of "info": 0 ok, 1 missing stanza path, 2 no valid backups, 3 missing stanza data.
case $(said) in
"0 "*) exit 0 ;;
"2 "*) ;;
*)
  echo "a place for $stanza is made"
  [ "$check" = true ] || backrest stanza-create || exit 1
  ;;
esac
# A backup that is under way counts.
case $told in *'"held":true'*) exit 0 ;; esac
echo "no backup yet"
