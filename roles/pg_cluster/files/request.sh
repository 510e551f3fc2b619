# Prints a request for this host's certificate, where it has none that its CA has signed, that names its addresses and lasts a year yet.
# Arguments: the directory, the name of the files, the addresses (with commas), the host's name, the CA's certificate (base64), true: only
# say it. The key stays here.
set -e
cd "$1" 2>/dev/null || { [ "$6" = true ]; echo "no certificate yet"; exit 0; }
ca=$(mktemp)
trap 'rm -f "$ca"' EXIT
echo "$5" | base64 -d >"$ca"
names_all() {
  for address in $(echo "$1" | tr , ' '); do
    openssl x509 -in "$2" -noout -checkip "$address" | grep -q 'does match' || return 1
  done
}
if [ -s "$2.key" ] && openssl verify -CAfile "$ca" "$2.crt" >/dev/null 2>&1 &&
  openssl x509 -in "$2.crt" -noout -checkend 31536000 >/dev/null && names_all "$3" "$2.crt"; then exit 0; fi
[ "$6" != true ] || { echo "a new certificate"; exit 0; }
umask 077
if ! [ -s "$2.key" ]; then
  openssl ecparam -name prime256v1 -genkey -noout -out "$2.new"
  mv "$2.new" "$2.key"
fi
openssl req -new -key "$2.key" -subj "/CN=$4"
