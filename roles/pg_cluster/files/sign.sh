# Prints a certificate for the request on stdin. Arguments: the CA's directory, the host's addresses (with commas), days, true: it names the
# addresses as host names, too (pgBackRest looks for what it connects to among those only).
set -e
extensions=$(mktemp)
trap 'rm -f "$extensions"' EXIT
names=$(echo "$2" | sed 's/[^,]*/IP:&/g')
[ "$4" != true ] || names=$names,$(echo "$2" | sed 's/[^,]*/DNS:&/g')
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n' "$names" >"$extensions"
openssl x509 -req -CA "$1/ca.crt" -CAkey "$1/ca.key" -set_serial "0x$(openssl rand -hex 16)" -days "$3" -extfile "$extensions" 2>/dev/null
