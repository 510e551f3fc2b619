# Prints a certificate for the request on stdin. Arguments: the CA's directory, the member's addresses (with commas), days.
set -e
extensions=$(mktemp)
trap 'rm -f "$extensions"' EXIT
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n' "$(echo "$2" | sed 's/[^,]*/IP:&/g')" >"$extensions"
openssl x509 -req -CA "$1/ca.crt" -CAkey "$1/ca.key" -set_serial "0x$(openssl rand -hex 16)" -days "$3" -extfile "$extensions" 2>/dev/null
