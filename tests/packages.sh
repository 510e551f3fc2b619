#!/usr/bin/env bash
# The programs that the unit tests call, from Debian's packages where they are missing. No service is started for it: PostgreSQL
# comes without a cluster, etcd with its service masked, and of the package prometheus only promtool is taken, into the virtual
# environment.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH DEBIAN_FRONTEND=noninteractive

missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || type -P initdb >/dev/null || missing+=(postgresql)
type -P psql >/dev/null || missing+=(postgresql-client)
type -P ip >/dev/null || missing+=(iproute2)
type -P nft >/dev/null || missing+=(nftables)
type -P openssl >/dev/null || missing+=(openssl)
type -P etcd >/dev/null || missing+=(etcd-server)
type -P etcdctl >/dev/null || missing+=(etcd-client)
type -P pgbackrest >/dev/null || missing+=(pgbackrest)
wanted=("${missing[@]}")
type -P promtool >/dev/null || wanted+=(prometheus)
((${#wanted[@]})) || exit 0

if ! type -P apt-get >/dev/null; then
    echo "tests/packages.sh: the unit tests need what Debian packages as ${wanted[*]}, and this machine has no apt-get:" \
        "install those programs (of prometheus only promtool), then run make again" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "tests/packages.sh: the unit tests need the packages ${wanted[*]}, and only root can install them:" \
        "run make as root once, or install them (of prometheus only promtool)" >&2
    exit 1
fi
echo "installing for the tests: ${wanted[*]}"
apt-get update -qq
if ((${#missing[@]})); then
    settings=/etc/postgresql-common/createcluster.d/sky-tests.conf
    mkdir -p "${settings%/*}"
    trap 'rm -f "$settings"' EXIT
    echo 'create_main_cluster = false' >"$settings"
    if [[ " ${missing[*]} " == *" etcd-server "* ]]; then
        mkdir -p /etc/systemd/system
        [ -e /etc/systemd/system/etcd.service ] || ln -s /dev/null /etc/systemd/system/etcd.service
    fi
    apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if ! type -P promtool >/dev/null; then
    folder=$(mktemp -d)
    (cd "$folder" && apt-get download -qq -o APT::Sandbox::User=root prometheus >/dev/null && dpkg-deb -x prometheus_*.deb .)
    install "$folder/usr/bin/promtool" .venv/bin/promtool
    rm -r "$folder"
fi
