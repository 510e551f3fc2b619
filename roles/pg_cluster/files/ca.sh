# Makes a CA of the cluster's own, where there is none. Arguments: its directory, its name, days, true: only say it. Its key leaves this
# directory never.
set -e
if [ -s "$1/ca.key" ] && [ -s "$1/ca.crt" ]; then exit 0; fi
echo "made the CA in $1"
[ "$4" != true ] || exit 0
umask 077
mkdir -p "$1"
openssl ecparam -name prime256v1 -genkey -noout -out "$1/ca.key"
openssl req -x509 -new -key "$1/ca.key" -subj "/CN=sky.pg_cluster $2" -days "$3" -out "$1/ca.new" \
  -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign
mv "$1/ca.new" "$1/ca.crt"
