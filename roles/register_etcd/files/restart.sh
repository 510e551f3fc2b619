# Restarts this member, and waits until it answers with a majority behind it: so the next one may be restarted. Arguments: its URL, the
# CA's certificate.
systemctl daemon-reload && systemctl restart --no-block sky-etcd.service || exit 1
for _ in $(seq 60); do
  sleep 1
  python3 - "$1" "$2" <<'PYTHON' 2>/dev/null && exit 0
import json, ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
with direct.open(sys.argv[1] + "/health", timeout=3) as answer:
    sys.exit(json.load(answer)["health"] != "true")
PYTHON
done
echo "sky-etcd.service does not answer for a majority after a minute: journalctl -u sky-etcd" >&2
exit 1
