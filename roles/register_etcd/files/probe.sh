# Prints, as YAML, what is installed. Argument: the data directory. version: of etcd, '' without it; data: whether the member has any; runs.
echo "version: '$(etcd --version 2>/dev/null | sed -n 's/^etcd Version: //p')'"
if [ -d "$1/member" ]; then echo "data: true"; else echo "data: false"; fi
if systemctl -q is-active sky-etcd.service 2>/dev/null; then echo "runs: true"; else echo "runs: false"; fi
