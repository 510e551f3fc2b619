# Prints, as YAML, what is installed. Arguments: the data directory of one that is not made yet, the directory of its settings.
# home: the parent of its data, of the one that is made where there is one; bin: PostgreSQL's programs, of the data's version where
# there are data, else the newest; data: whether there are; runs.
made=$(sed -n "s/^data_directory = '\(.*\)'$/\1/p" "$2/postgresql.conf" 2>/dev/null)
echo "home: '$(dirname "${made:-$1}")'"
version=$(cat "${made:-$1}/PG_VERSION" 2>/dev/null)
bin=
for initdb in $(ls -d /usr/lib/postgresql/${version:-*}/bin/initdb /usr/bin/initdb 2>/dev/null | sort -V); do bin=$(dirname "$initdb"); done
echo "bin: '$bin'"
if [ -n "$version" ]; then echo "data: true"; else echo "data: false"; fi
if systemctl -q is-active sky-register.service 2>/dev/null; then echo "runs: true"; else echo "runs: false"; fi
