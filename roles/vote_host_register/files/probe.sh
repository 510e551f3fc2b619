# Prints, as YAML, what is installed. Arguments: data directory.
# bin: PostgreSQL's programs, of the data's version where there are data, else the newest; data: whether there are.
version=$(cat "$1/PG_VERSION" 2>/dev/null)
bin=
for initdb in $(ls -d /usr/lib/postgresql/${version:-*}/bin/initdb /usr/bin/initdb 2>/dev/null | sort -V); do bin=$(dirname "$initdb"); done
echo "bin: '$bin'"
if [ -n "$version" ]; then echo "data: true"; else echo "data: false"; fi
if systemctl -q is-active sky-register.service 2>/dev/null; then echo "runs: true"; else echo "runs: false"; fi
