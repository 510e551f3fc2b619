# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyha is another user than PostgreSQL: who owns what, who may ask for what, and how a skyha that was PostgreSQL's user is handed over."""

from __future__ import annotations

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from render import ROLES, template, value, variables

OWN = (ROLES / "skyha_daemon/files/own.sh").read_text()


def lines(role: str, name: str) -> list[str]:
    return template(role, name, variables(role)).splitlines()


def test_daemon_and_errands_are_different_users() -> None:
    unit, errand = lines("skyha_daemon", "skyha.service.j2"), lines("skyha_daemon", "sky-errand@.service.j2")
    assert {"User=skyha", "SupplementaryGroups=postgres"} <= set(unit)
    assert {"User=postgres", "CapabilityBoundingSet="} <= set(errand)
    (given,) = [line for line in unit if line.startswith("CapabilityBoundingSet=")]
    assert set(given.partition("=")[2].split()) == {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_KILL", "CAP_DAC_READ_SEARCH"}


def test_errands_are_asked_for_by_skyha_alone_where_it_looks_for_them() -> None:
    socket = lines("skyha_daemon", "sky-errand.socket.j2")
    assert {"SocketUser=skyha", "SocketMode=0600", "Accept=yes"} <= set(socket)
    config = config_file.parse(template("skyha_daemon", "skyha.conf.j2", variables("skyha_daemon")))
    assert f"ListenStream={config.postgresql.errands}" in socket
    assert config.paths.rewind_dir == "/var/lib/sky-postgresql"
    assert "StateDirectory=sky-postgresql" in lines("skyha_daemon", "sky-errand@.service.j2")


def test_file_that_starts_the_server_is_skyhas() -> None:
    made = lines("streaming_replication", "tmpfiles.conf.j2")
    assert "d /run/skyha 0755 skyha skyha -" in made
    assert "f /run/skyha/start-postgresql 0640 skyha skyha -" in made


def test_both_users_are_the_superuser_on_the_nodes_own_socket() -> None:
    assert "local all postgres peer map=sky" in lines("streaming_replication", "pg_hba.conf.j2")
    mapped = [line for line in lines("streaming_replication", "pg_ident.conf.j2") if line and line[0] != "#"]
    assert mapped == ["sky postgres postgres", "sky skyha postgres"]


def test_what_a_skyha_of_before_has_stays_its_own_until_it_is_handed_over() -> None:
    known = variables("skyha_daemon")
    for told, owner in (("foreign\nactive", "postgres"), ("active", "skyha"), ("", "skyha")):
        probe = {"stdout": told, "stdout_lines": told.splitlines()}
        assert value("__skyha_daemon_owner", {**known, "__skyha_daemon_probe": probe}) == owner


def test_handing_over_starts_no_server() -> None:
    """Another owner of the file that sky-postgresql.path watches would count as a request."""
    stopped = OWN.index("systemctl stop skyha.service sky-postgresql.path")
    assert stopped < OWN.index("trap again EXIT") < OWN.index('chown -R "$user:$user" /run/skyha')
    assert OWN.rstrip().endswith("trap - EXIT\nagain")
    # By that directory's owner the role tells whether it is done.
    assert OWN.index('chown "$user:$user" /var/lib/skyha\n') > OWN.rindex("-exec chown")


def test_commits_go_on_waiting_while_it_is_handed_over() -> None:
    """PostgreSQL skips an included file that it cannot read, and says so in its log only."""
    opened = OWN.index("chmod 0644 /var/lib/skyha/synchronous.conf"), OWN.index("chmod 0711 /var/lib/skyha")
    assert max(opened) < OWN.index("find /var/lib/skyha -mindepth 1 -exec chown")
