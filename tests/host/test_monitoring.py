# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the monitoring host sees: through the real check_nrpe, on Nagios' own page, and from /metrics."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

import pytest
from testinfra.host import Host

from tests.lab import lab

COMMANDS = {
    "check_sky_pg_clusterd": "SKYHA",
    "check_standby_lag": "LAG",
    "check_skyha_armed": "ARMED",
    "check_vip": "VIP",
    "check_fence": "FENCE",
}
MONITOR = lab.HOSTS["monitor"]["pg_cluster_address"]
GREEN, RED = 2, 16  # as statusjson.cgi has them; 1 pending, 4 WARNING, 8 UNKNOWN


def address(node: str) -> str:
    """On the cluster's network."""
    return str(lab.HOSTS[node]["pg_cluster_address"])


@pytest.fixture(scope="module", autouse=True)
def no_old_failover() -> None:
    """A failover of an earlier test warns until it is acknowledged: here somebody has read it."""
    for node in lab.NODES:
        if not lab.status(node).get("failover", {}).get("noted", True):
            lab.on(node, "skyctl", "acknowledge")


def nrpe(hosts: dict[str, Host], node: str, command: str) -> tuple[int, str]:
    """Ask a node's NRPE from the monitoring host."""
    done = hosts["monitor"].run("/usr/lib/nagios/plugins/check_nrpe -H %s -t 10 -c %s", address(node), command)
    return done.rc, done.stdout.rstrip("\n")


def page(query: str) -> str:
    """One of Nagios' own pages, with the password."""
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    url = f"http://{MONITOR}/nagios4/cgi-bin/{query}"
    passwords.add_password(None, url, "nagiosadmin", str(lab.SETTINGS["nagios_nrpe_web_password"]))
    opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(passwords))
    return str(opener.open(url, timeout=10).read().decode())


def services() -> dict[str, int]:
    """'host/service' -> its state on Nagios' page."""
    answer = json.loads(page("statusjson.cgi?query=servicelist&hostgroup=sky"))
    return {
        f"{host}/{service}": state
        for host, found in answer["data"]["servicelist"].items()
        for service, state in found.items()
    }


def all_green() -> bool:
    """Is the whole cluster green on Nagios' page?"""
    found = services()
    red = {name: state for name, state in found.items() if state != GREEN}
    assert not red, red
    return bool(found)


@pytest.mark.parametrize("node", lab.NODES)
@pytest.mark.parametrize("command", COMMANDS)
def test_check_is_ok_through_nrpe(hosts: dict[str, Host], node: str, command: str) -> None:
    lab.wait_for(f"{command} on {node} is OK", lambda: nrpe(hosts, node, command)[0] == 0, 30)
    line = nrpe(hosts, node, command)[1]
    assert line.startswith(f"{COMMANDS[command]} OK - ")
    assert "\n" not in line


@pytest.mark.parametrize("node", lab.NODES)
def test_nrpe_runs_as_the_owner_of_postgresql(hosts: dict[str, Host], node: str) -> None:
    host = hosts[node]
    assert {process.user for process in host.process.filter(comm="nrpe")} == {"postgres"}
    unit = host.service("nagios-nrpe-server")
    assert unit.is_running
    assert unit.is_enabled


@pytest.mark.parametrize("node", lab.NODES)
def test_nrpe_answers_only_the_monitoring_hosts(hosts: dict[str, Host], node: str) -> None:
    config = hosts[node].file("/usr/local/nagios/etc/nrpe.cfg").content_string.splitlines()
    assert f"allowed_hosts=127.0.0.1,{MONITOR}" in config
    assert "dont_blame_nrpe=0" in config
    # The vote host is no monitoring host: its packets do not even reach NRPE.
    tried = hosts["vote"].run("timeout 3 bash -c %s", f"exec 3<>/dev/tcp/{address(node)}/5666")
    assert tried.rc != 0


@pytest.mark.parametrize("node", lab.NODES)
def test_network_cannot_give_arguments(hosts: dict[str, Host], node: str) -> None:
    done = hosts["monitor"].run(
        "/usr/lib/nagios/plugins/check_nrpe -H %s -c check_fence -a %s", address(node), "--file=/etc/passwd"
    )
    assert done.rc != 0
    assert "root:" not in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("content", ['{"format": 1, "sta', "[]", '{"format": 99}'])
def test_broken_snapshot_is_unknown_and_no_traceback(hosts: dict[str, Host], command: str, content: str) -> None:
    plugin = {"check_sky_pg_clusterd": "check_sky_pg_clusterd_alive"}.get(command, command)
    done = hosts["node1"].run(
        "printf %%s %s | runuser -u postgres -- sh -c %s",
        content,
        f"cat > /tmp/sky-broken.json; /usr/local/nagios/libexec/{plugin} -f /tmp/sky-broken.json",
    )
    assert done.rc == 3, done
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_page_shows_every_service_green() -> None:
    lab.wait_for("Nagios' page is green", all_green, 90, every=1)
    found = services()
    assert {"node1/PostgreSQL port", "node2/PostgreSQL port", "sky-vip/PostgreSQL port", "sky-vote/vote port"} <= set(
        found
    )
    assert len(found) == 4 + 2 * len(COMMANDS)


@pytest.mark.parametrize(
    "path", ["/nagios4/", "/nagios4/cgi-bin/status.cgi", "/nagios4/cgi-bin/cmd.cgi", "/cgi-bin/nagios4/cmd.cgi"]
)
def test_page_wants_a_password(path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{MONITOR}{path}", timeout=5)
    assert refused.value.code == 401


def test_web_password_is_not_readable_to_others(hosts: dict[str, Host]) -> None:
    file = hosts["monitor"].file("/etc/nagios4/htdigest.users")
    assert (file.user, file.group, oct(file.mode)) == ("root", "www-data", "0o640")


def test_a_dead_daemon_turns_red_and_green_again(hosts: dict[str, Host], standby: str) -> None:
    lab.wait_for("Nagios' page is green", all_green, 90, every=1)
    try:
        lab.on(standby, "systemctl", "stop", "skyha")
        began = time.monotonic()
        lab.wait_for("Nagios' page is red", lambda: services()[f"{standby}/skyha alive"] == RED, 15, every=0.5)
        assert time.monotonic() - began < 10
        code, line = nrpe(hosts, standby, "check_skyha_armed")
        assert code == 2
        assert "nothing would fail over to this node" in line
    finally:
        lab.on(standby, "systemctl", "start", "skyha")
    lab.wait_for("Nagios' page is green again", all_green, 90, every=1)


@pytest.mark.parametrize("node", lab.NODES)
def test_metrics_are_served_to_the_monitoring_host(hosts: dict[str, Host], node: str) -> None:
    program = f"import urllib.request as r; print(r.urlopen('http://{address(node)}:8008/metrics', timeout=5).read().decode())"
    text = hosts["monitor"].run("python3 -c %s", program).stdout
    assert "skyha_info{" in text
    assert "\nskyha_running 1\n" in text


@pytest.mark.parametrize("node", lab.NODES)
def test_no_secret_is_shown(hosts: dict[str, Host], node: str) -> None:
    secrets = [
        str(value)
        for values in (lab.SETTINGS, *lab.HOSTS.values())
        for key, value in values.items()
        if key.endswith("_password") and value
    ]
    assert len(secrets) >= 6
    shown = hosts[node].check_output("cat /run/skyha/status.json /usr/local/nagios/etc/nrpe.cfg; ps -eo args")
    shown += hosts["monitor"].check_output(
        "cat /etc/nagios4/conf.d/sky_pg_cluster.cfg /var/lib/nagios4/status.dat; ps -eo args"
    )
    assert [len(secret) for secret in secrets if secret in shown] == []
