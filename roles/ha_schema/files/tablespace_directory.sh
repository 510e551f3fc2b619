# Prints, as YAML, what stands at a tablespace's place. Argument: the directory.
# A tablespace holds directories PG_VERSION_CATALOG, and our heartbeat's file.
place=$1
is() { if "$@" >/dev/null 2>&1; then echo true; else echo false; fi; }
entries=$(ls -A "$place" 2>/dev/null)
echo "parent: $(is test -d "$(dirname "$place")")"
echo "plain: $(is test ! -e "$place" -o -d "$place" -a ! -L "$place")"
foreign=$(printf '%s\n' "$entries" | grep -v -e '^$' -e '^PG_[0-9]*_[0-9]*$' -e '^pgsql_tmp_sky_heartbeat' | head -n 3 | paste -sd' ')
# Names may hold anything: a quote is doubled, what cannot be printed becomes a question mark.
printf "foreign: '%s'\n" "$(printf '%s' "$foreign" | LC_ALL=C tr -c ' -~' '?' | sed "s/'/''/g")"
echo "used: $(printf '%s\n' "$entries" | is grep '^PG_[0-9]*_[0-9]*$')"
