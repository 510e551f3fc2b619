# Puts a CA's certificates, this host's certificate and its key, which come on stdin with a line -- between them, in their places. Arguments:
# the directory, the name of the files, the file of the CA, the group that may read the key, the addresses that the certificate must name
# (with commas), true: only say it. Prints what is new; exit code 1 and why on stderr where they do not fit together.
set -e
umask 077
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
refuse() { echo "$*" >&2; exit 1; }
awk -v d="$new" 'BEGIN { f = d "/ca.crt" } /^--$/ { n++; f = d (n == 1 ? "/crt" : "/key"); next } { print > f }'
for part in ca.crt crt key; do grep -q . "$new/$part" 2>/dev/null || refuse "the CA, the certificate or the key that is given is empty."; done
openssl x509 -in "$new/crt" -noout 2>/dev/null || refuse "the certificate that is given is none (PEM is wanted)."
openssl pkey -in "$new/key" -passin pass: -noout 2>/dev/null || refuse "the key that is given is none, or has a pass phrase (PEM without one is wanted)."
[ "$(openssl pkey -in "$new/key" -pubout)" = "$(openssl x509 -in "$new/crt" -noout -pubkey)" ] ||
  refuse "the key that is given is not the certificate's."
told=$(openssl verify -CAfile "$new/ca.crt" -untrusted "$new/crt" "$new/crt" 2>&1) ||
  refuse "the certificate that is given is not of the CA that is given, or not good now: $(echo "$told" | sed -n 's/^error [0-9]* at [^:]*: *//p' | head -n 1)."
for name in $(echo "$5" | tr , ' '); do
  openssl x509 -in "$new/crt" -noout -checkip "$name" | grep -q 'does match' || refuse "the certificate that is given does not name $name (subjectAltName)."
done
if cmp -s "$new/ca.crt" "$3" && cmp -s "$new/crt" "$1/$2.crt" && cmp -s "$new/key" "$1/$2.key"; then exit 0; fi
echo "a new certificate"
[ "$6" != true ] || exit 0
cd "$1"
cp "$new/key" "$2.next.key"
cp "$new/crt" "$2.next.crt"
cp "$new/ca.crt" "$3.next"
chgrp "$4" "$2.next.key" "$2.next.crt"
chmod 0640 "$2.next.key" "$2.next.crt"
chmod 0644 "$3.next"
mv "$3.next" "$3"
mv "$2.next.key" "$2.key"
mv "$2.next.crt" "$2.crt"
