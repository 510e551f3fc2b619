# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The places where people and machines look at the cluster: Nagios, /metrics, Prometheus, the status page, skyctl.

All are asked as their users ask them: check_nrpe and HTTP from the monitoring host, Nagios' page with its password,
skyctl on a node.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from typing import Any

from tests.lab import lab

# NRPE's command -> the word that begins its line, and its name on Nagios' page
CHECKS = {
    "check_sky_pg_clusterd": ("SKYHA", "skyha alive"),
    "check_standby_lag": ("LAG", "standby lag"),
    "check_skyha_armed": ("ARMED", "skyha armed"),
    "check_vip": ("VIP", "VIP"),
    "check_fence": ("FENCE", "fence"),
    "check_sky_backup": ("BACKUP", "backup"),
}
# What the document's Nagios server looks at by itself.
PORTS = ("node1/PostgreSQL port", "node2/PostgreSQL port", "sky-vip/PostgreSQL port", "sky-vote/vote port")
OK, WARNING, CRITICAL, UNKNOWN = range(4)
# as statusjson.cgi has them (1: pending)
GREEN, YELLOW, PURPLE, RED = 2, 4, 8, 16
MONITOR: str = lab.HOSTS["monitor"]["pg_cluster_address"]
HTTP_PORT = 8008
_FETCH = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], method=sys.argv[2]), timeout=5)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
sys.stdout.write(answer.read().decode())
"""


def address(node: str) -> str:
    """A host's address on the cluster's network."""
    return str(lab.HOSTS[node]["pg_cluster_address"])


def ask(host: str, *command: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Run a command in a lab host: its exit code, stdout and stderr."""
    full = [str(lab.ROOT / "lab/podman"), "exec", *(["-i"] if stdin is not None else []), f"sky-{host}", *command]
    done = subprocess.run(full, input=stdin, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def nrpe(node: str, command: str, *arguments: str) -> tuple[int, str]:
    """Ask a node's NRPE by check_nrpe from the monitoring host: exit code and line."""
    program = "/usr/lib/nagios/plugins/check_nrpe"
    code, text, _ = ask("monitor", program, "-H", address(node), "-t", "10", "-c", command, *arguments)
    return code, text.rstrip("\n")


def nagios(query: str) -> str:
    """One of Nagios' own pages, with the password."""
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    url = f"http://{MONITOR}/nagios4/cgi-bin/{query}"
    passwords.add_password(None, url, "nagiosadmin", str(lab.SETTINGS["nagios_nrpe_web_password"]))
    opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(passwords))
    return str(opener.open(url, timeout=10).read().decode())


def services() -> dict[str, int]:
    """'host/service' -> its state on Nagios' page."""
    answer = json.loads(nagios("statusjson.cgi?query=servicelist&hostgroup=sky"))
    return {
        f"{host}/{service}": state
        for host, found in answer["data"]["servicelist"].items()
        for service, state in found.items()
    }


def is_all_green() -> bool:
    """Is the whole cluster green on Nagios' page? AssertionError names what is not."""
    found = services()
    other = {name: state for name, state in found.items() if state != GREEN}
    assert not other, other
    return bool(found)


def http(node: str, path: str, method: str = "GET", host: str = "monitor") -> tuple[int, str]:
    """Ask a node's skyha over HTTP from another host: status code and body; RuntimeError where it cannot be reached."""
    text = lab.on(host, "python3", "-c", _FETCH, f"http://{address(node)}:{HTTP_PORT}{path}", method)
    code, body = text.split("\n", 1)
    return int(code), body


def metrics(node: str) -> dict[str, float]:
    """A node's /metrics: name with labels -> value."""
    lines = http(node, "/metrics")[1].splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")}


def skyctl(node: str, *arguments: str, user: str = "root") -> tuple[int, str]:
    """Run skyctl on a node: exit code, and what it said on stdout and stderr."""
    whole = ["skyctl", *arguments] if user == "root" else ["runuser", "-u", user, "--", "skyctl", *arguments]
    code, out, err = ask(node, *whole)
    return code, out + err


def journal(node: str) -> list[dict[str, Any]]:
    """skyha's events in a node's journal, oldest first, as fields."""
    text = lab.on(node, "journalctl", "-o", "json", "--no-pager", "SYSLOG_IDENTIFIER=skyha")
    return [entry for entry in map(json.loads, text.splitlines()) if "SKYHA_KIND" in entry]
