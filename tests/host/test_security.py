# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who reaches what: each cell of the table in docs/security.md is tried, by a superuser's SQL, a local user, a client and somebody before
a BMC; and systemd's own judgement of the units."""

from __future__ import annotations

import base64
import json
import re
import shlex
import socket
from typing import Any

import psycopg2
import pytest

from tests.lab import lab

# Prints what it got; ends badly where it got nothing.
ASK_SOCKET = (
    "import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1]); "
    "s.sendall(sys.argv[2].encode()+b'\\n'); print(s.recv(4096).decode())"
)


def ask(path: str, line: str) -> str:
    return shlex.join(["python3", "-c", ASK_SOCKET, path, line])


DATA = "/data/pgdata/pg_root"
# What is tried, and the command that succeeds where it may be done. None of them changes anything that counts.
DEEDS = {
    "read the BMC's password": "cat /etc/skyha/bmc.password",
    "read the key of the signs of life": "cat /etc/skyha/signs.key",
    "read skyha's record": "cat /var/lib/skyha/state.json",
    "change skyha's record": "test -e /var/lib/skyha/state.json -a -w /var/lib/skyha/state.json || touch /var/lib/skyha/state.json",
    "replace skyha's record": "touch /var/lib/skyha/planted && rm /var/lib/skyha/planted",
    "give skyha an order": ask("/run/skyha/skyha.sock", '{"order": "acknowledge"}'),
    "give skyha's errands": ask("/run/sky-errand.sock", '{"errand": "unlock"}'),
    "ask for the start of PostgreSQL": "test -w /run/skyha/start-postgresql || touch /run/skyha/start-postgresql",
    "start PostgreSQL's unit": "systemctl --no-ask-password start sky-postgresql.service",
    "replace skyha's status": "touch /run/skyha/planted && rm /run/skyha/planted",
    "change synchronous.conf": "touch /var/lib/skyha/synchronous.conf",
    "take or drop an address": "ip address add 127.99.0.1/32 dev lo && ip address del 127.99.0.1/32 dev lo",
    "stop skyha": "kill -0 $(systemctl show -p MainPID --value skyha)",
    "look into skyha's memory": "head -c 1 /proc/$(systemctl show -p MainPID --value skyha)/environ | wc -c | grep -q 1",
    "read the roles' passwords (.pgpass)": "cat /home/postgres/.pgpass",
    "read PostgreSQL's files": f"cat {DATA}/PG_VERSION",
    "be PostgreSQL's superuser": f"PGCONNECT_TIMEOUT=5 psql -X -w -At -h {lab.SOCKET} -p {lab.PORT} -U postgres -d postgres -c 'SELECT 1'",
    "read skyha's configuration": "cat /etc/skyha/skyha.conf",
    "read skyha's status": "cat /run/skyha/status.json",
}
LOOKS = {"read skyha's configuration", "read skyha's status"}
OF_POSTGRES = {"read the roles' passwords (.pgpass)", "read PostgreSQL's files", "be PostgreSQL's superuser"}
MAY = {"a superuser in SQL": LOOKS | OF_POSTGRES, "PostgreSQL's user": LOOKS | OF_POSTGRES, "a local user": LOOKS}


def tried(who: str, command: str) -> tuple[bool, str]:
    """Whether the command succeeded, and its output."""
    node = lab.primary()
    if who == "a superuser in SQL":
        # The last line says how it ended; what the program says must not be taken for columns.
        script = f"(cd /; {command}) 2>&1 | tr -d '\\\\\\t\\000'; echo ${{PIPESTATUS[0]}}"
        packed = base64.b64encode(script.encode()).decode()
        out = lab.sql(
            node,
            f"CREATE TEMP TABLE said (l text);\nCOPY said FROM PROGRAM 'echo {packed} | base64 -d | bash';\nSELECT l FROM said",
        )
        lines = out.splitlines()
        return lines[-1] == "0", "\n".join(lines[:-1])
    user = {"PostgreSQL's user": "postgres", "a local user": "nobody", "root": "root"}[who]
    group = "nogroup" if user == "nobody" else user
    script = f"(cd /; {command}) 2>&1; echo $?"
    out = lab.on(node, "setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups", "--", "sh", "-c", script)
    lines = out.splitlines()
    return lines[-1] == "0", "\n".join(lines[:-1])


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("who", MAY)
def test_may_do_what_the_table_says_and_no_more(who: str, deed: str) -> None:
    done, said = tried(who, DEEDS[deed])
    assert done == (deed in MAY[who]), f"{who}: {deed}: {said}"


@pytest.mark.parametrize("deed", DEEDS)
def test_root_may_do_all_of_it_so_each_refusal_is_one(deed: str) -> None:
    if deed in ("be PostgreSQL's superuser", "change synchronous.conf"):
        pytest.skip("root is let in as PostgreSQL's user only; the file is there with zero loss only")
    done, said = tried("root", DEEDS[deed])
    assert done, said


def test_superusers_own_functions_read_no_more_than_its_programs() -> None:
    for path in ("/etc/skyha/bmc.password", "/etc/skyha/signs.key", "/var/lib/skyha/state.json"):
        with pytest.raises(RuntimeError, match="Permission denied"):
            lab.on(
                lab.primary(),
                *lab.AS_POSTGRES,
                f"psql -X -w -v ON_ERROR_STOP=1 -d postgres -c \"SELECT pg_read_file('{path}')\"",
            )


def test_nothing_that_a_superuser_starts_gains_rights() -> None:
    """A setuid program stays without its owner's rights: neither sudo nor a crontab that would start something at boot."""
    _done, said = tried(
        "a superuser in SQL",
        "grep NoNewPrivs /proc/self/status; cp /bin/sh /tmp/sh.suid && chmod u+s /tmp/sh.suid; rm -f /tmp/sh.suid",
    )
    assert re.search(r"NoNewPrivs:\s*1", said)
    assert "Operation not permitted" in said, "no file becomes setuid"


CLIENT = {
    # name of the door -> (address, port, what it says to a connection that asks nothing)
    "PostgreSQL through the VIP": (lab.VIP, lab.PORT, True),
    "skyha's pages on a node": (lab.HOSTS["node1"]["pg_cluster_address"], 8008, False),
}


@pytest.mark.parametrize("door", CLIENT)
def test_client_reaches_postgresql_and_nothing_of_skyha(door: str) -> None:
    address, port, is_open = CLIENT[door]
    try:
        socket.create_connection((address, port), 3).close()
        reached = True
    except OSError:
        reached = False
    assert reached is is_open


def test_client_finds_a_vote_port_that_forwards_nothing() -> None:
    """It accepts from the monitoring host; a PostgreSQL behind it would answer the question whether it speaks TLS."""
    script = (
        f"import socket\ntry:\n    c = socket.create_connection(('{lab.VOTE}', {lab.VOTE_PORT}), 5)\n"
        "    c.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47])); print('answer', c.recv(1))\n"
        "except ConnectionError as error:\n    print('answer', error)"
    )
    told = {host: lab.on(host, "python3", "-c", script).strip() for host in ("monitor", lab.NODES[0])}
    assert told[lab.NODES[0]] in ("answer b'N'", "answer b'S'"), "or the silence proves nothing"
    assert told["monitor"] == "answer b''" or "reset" in told["monitor"], told


@pytest.mark.parametrize("user", [lab.SETTINGS.get("pg_cluster_ha_user", "sky_pg_cluster")])
def test_client_is_not_the_ha_role_even_with_its_password(user: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"pg_hba\.conf"):
        psycopg2.connect(
            host=lab.VIP,
            port=lab.PORT,
            user=user,
            dbname="postgres",
            password=lab.SETTINGS["pg_cluster_ha_password"],
            connect_timeout=5,
        )


def fence(password: str, **more: Any) -> str:
    """The answer of a login at node1's BMC, tried from node2 as root with skyha's own program."""
    asked = {
        "verb": "status",
        "deadline": 8.0,
        "levels": [[{"name": "bmc", "kind": "ipmi", "address": lab.HOSTS["node1"]["pg_cluster_bmc_address"], "port": 623, "user": "test",
                     "privilege": "operator", "cipher": 3, "password_file": "/tmp/tried.password", **more}]],
    }  # fmt: skip
    lab.on("node2", "sh", "-c", "umask 077; cat > /tmp/tried.password", stdin=password)
    try:
        return lab.on(
            "node2",
            "sh",
            "-c",
            "cd /opt/skyha/current && PYTHONPATH=. python3 -m skyha.fencing.child",
            stdin=json.dumps(asked) + "\n",
        )
    finally:
        lab.on("node2", "rm", "-f", "/tmp/tried.password")


def test_on_the_bmcs_network_nothing_is_had_without_the_password() -> None:
    known = lab.HOSTS["node1"]["pg_cluster_bmc_password"]
    assert '"power": "on"' in fence(known), "or the refusal proves nothing"
    assert '"power": "on"' not in fence(known[:-1] + "x")
    assert '"power": "on"' not in fence("")


@pytest.mark.parametrize(
    ("host", "unit"),
    [
        ("node1", "skyha.service"),
        ("node1", "sky-postgresql.service"),
        ("node1", "sky-errand@test.service"),
        ("vote", "sky-vote-proxy.service"),
    ],
)
def test_systemd_calls_the_units_exposure_ok(host: str, unit: str) -> None:
    told = lab.on(host, "systemd-analyze", "security", "--no-pager", unit, check=False)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", told)
    assert found, told[-500:]
    assert float(found.group(1)) <= 4.0, told
