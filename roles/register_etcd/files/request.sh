# Prints a request for a member's certificate, where it has none that its CA has signed, that names its addresses and lasts a year yet.
# Arguments: the directory, the addresses (with commas), the name, the CA's certificate (base64), true: only say it. The key stays here.
set -e
cd "$1" 2>/dev/null || { [ "$5" = true ]; echo "no certificate yet"; exit 0; }
ca=$(mktemp)
trap 'rm -f "$ca"' EXIT
echo "$4" | base64 -d >"$ca"
names_all() {
  for address in $(echo "$1" | tr , ' '); do
    openssl x509 -in member.crt -noout -checkip "$address" | grep -q 'does match' || return 1
  done
}
if [ -s member.key ] && openssl verify -CAfile "$ca" member.crt >/dev/null 2>&1 &&
  openssl x509 -in member.crt -noout -checkend 31536000 >/dev/null && names_all "$2"; then exit 0; fi
[ "$5" != true ] || { echo "a new certificate"; exit 0; }
umask 077
if ! [ -s member.key ]; then
  openssl ecparam -name prime256v1 -genkey -noout -out member.new
  mv member.new member.key
fi
openssl req -new -key member.key -subj "/CN=$3"
