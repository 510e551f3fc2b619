# Prints a request for this host's certificate, where it has none that its CA has signed, that names all it is to name and lasts a year yet;
# with true at the end in any case. Arguments: the directory, the name of the files, the addresses and names (with commas), the host's name,
# the CA's certificate (base64), true: only say it, true: a new one. The new key stays here, as NAME.next.key, until its certificate is there.
set -e
cd "$1" 2>/dev/null || { [ "$6" = true ]; echo "no certificate yet"; exit 0; }
ca=$(mktemp)
trap 'rm -f "$ca"' EXIT
echo "$5" | base64 -d >"$ca"
names_all() {
  for name in $(echo "$1" | tr , ' '); do
    case $name in
    *:*) check=-checkip ;;
    *[!0-9.]*) check=-checkhost ;;
    *) check=-checkip ;;
    esac
    openssl x509 -in "$2" -noout $check "$name" | grep -q 'does match' || return 1
  done
}
fits() { [ "$(openssl pkey -in "$1.key" -pubout 2>/dev/null)" = "$(openssl x509 -in "$1.crt" -noout -pubkey 2>/dev/null)" ]; }
if [ "$7" != true ] && [ -s "$2.key" ] && openssl verify -CAfile "$ca" "$2.crt" >/dev/null 2>&1 && fits "$2" &&
  openssl x509 -in "$2.crt" -noout -checkend 31536000 >/dev/null && names_all "$3" "$2.crt"; then exit 0; fi
[ "$6" != true ] || { echo "a new certificate"; exit 0; }
umask 077
openssl ecparam -name prime256v1 -genkey -noout -out "$2.next.key"
openssl req -new -key "$2.next.key" -subj "/CN=$4"
