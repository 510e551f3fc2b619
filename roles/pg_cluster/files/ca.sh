# Makes a CA of the cluster's own, where there is none. In its last year its certificate is made again with the same key: what it has signed
# stays good, and a host that has the older one trusts the newer ones too, until it ends. Arguments: its directory, its name, days, true:
# only say it. Its key leaves this directory never.
set -e
umask 077
if [ -s "$1/ca.key" ] && [ -s "$1/ca.crt" ]; then
  if openssl x509 -in "$1/ca.crt" -noout -checkend 31536000 >/dev/null; then exit 0; fi
  echo "made the certificate of the CA in $1 again"
  [ "$4" != true ] || exit 0
  openssl x509 -in "$1/ca.crt" -signkey "$1/ca.key" -days "$3" -out "$1/ca.new" 2>/dev/null
else
  echo "made the CA in $1"
  [ "$4" != true ] || exit 0
  mkdir -p "$1"
  openssl ecparam -name prime256v1 -genkey -noout -out "$1/ca.key"
  openssl req -x509 -new -key "$1/ca.key" -subj "/CN=sky.pg_cluster $2" -days "$3" -out "$1/ca.new" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign
fi
mv "$1/ca.new" "$1/ca.crt"
