# Prints a certificate for the request on stdin. Arguments: the CA's directory, the host's addresses and names (with commas), days, true: it
# names the addresses as host names, too (pgBackRest, and libpq before 15, look for what they connect to among those only).
set -e
extensions=$(mktemp)
trap 'rm -f "$extensions"' EXIT
names=
for name in $(echo "$2" | tr , ' '); do
  case $name in
  *:*) kind=IP ;;
  *[!0-9.]*) kind=DNS ;;
  *) kind=IP ;;
  esac
  names=$names,$kind:$name
  if [ "$4" = true ] && [ $kind = IP ]; then names=$names,DNS:$name; fi
done
printf '%s\n' "subjectAltName=${names#,}" extendedKeyUsage=serverAuth,clientAuth basicConstraints=critical,CA:FALSE \
  subjectKeyIdentifier=hash authorityKeyIdentifier=keyid >"$extensions"
openssl x509 -req -CA "$1/ca.crt" -CAkey "$1/ca.key" -set_serial "0x$(openssl rand -hex 16)" -days "$3" -extfile "$extensions" 2>/dev/null
