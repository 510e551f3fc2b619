# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role ha_schema makes is run in a real server, as psql gets it; then the HA role, no superuser, tries to become one.

The heartbeat and skyha's own sessions run with the superuser's rights: nothing that the HA role can write may run in them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import psycopg2
import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.eyes import ProbeEyes
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.queries import peer_sql
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path, Role, Server, Sight
from real_postgres import RealPostgres
from render import template, variables

NAME = "weak"
# Whatever it gets to run with another's rights does this.
GRAB = "alter role weak superuser"


def make(server: RealPostgres, **settings: object) -> str:
    """What the role's psql prints."""
    done = run(server, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(server: RealPostgres, **settings: object) -> subprocess.CompletedProcess[str]:
    given = variables("ha_schema", pg_cluster_ha_user=NAME, pg_cluster_database=NAME, **settings)
    return subprocess.run(
        [
            *("psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"),
            *("-v", "login=false", "-v", f"database={NAME}"),
            *("-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", "postgres", "-f", "-"),
        ],
        input=template("ha_schema", "ha_schema.sql.j2", given),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def server(postgres: RealPostgres) -> Iterator[RealPostgres]:
    make(postgres)
    yield postgres
    postgres.sql(f"DROP DATABASE {NAME} WITH (FORCE)", "postgres")
    postgres.sql(f"DROP OWNED BY {NAME}", "postgres")
    postgres.sql(f"DROP ROLE {NAME}, sky_pg_cluster_owner", "postgres")


@pytest.fixture
def eyes(server: RealPostgres, make_config: Callable[..., Config]) -> Iterator[ProbeEyes]:
    found = ProbeEyes(
        make_config(
            postgresql={**server.settings, "database": NAME, "user": NAME},
            vote={"port": server.port},
        )
    )
    yield found
    found.close()


def as_weak(server: RealPostgres, *statements: str) -> list[str]:
    """Each as the HA role, in a transaction of its own; the errors."""
    connection = psycopg2.connect(host="127.0.0.1", port=server.port, user=NAME, dbname=NAME)
    connection.autocommit = True
    errors = []
    for statement in statements:
        try:
            connection.cursor().execute(statement)
        except psycopg2.Error as error:
            errors.append(str(error))
    connection.close()
    return errors


def is_superuser(server: RealPostgres) -> bool:
    return server.sql(f"SELECT rolsuper FROM pg_roles WHERE rolname = '{NAME}'", "postgres") != "f"


TRIGGER = f"""create function pg_temp.grab() returns trigger language plpgsql as $$ begin {GRAB}; return new; end $$;
create trigger grab before update on sky_pg_cluster.cluster_status for each row execute function pg_temp.grab()"""
FORMAT = f"""create function {{}}.format(text, text) returns text language plpgsql as
$$ begin {GRAB}; return pg_catalog.format($1, variadic array[$2]); end $$"""
RECOVERY = f"""create function {{}}.pg_is_in_recovery() returns boolean language plpgsql as
$$ begin {GRAB}; return false; end $$"""
ATTEMPTS = {
    "a trigger on the heartbeat's table": [TRIGGER],
    "a rule on the heartbeat's table": [
        f"create rule grab as on update to sky_pg_cluster.cluster_status do also {GRAB}"
    ],
    "a function in the heartbeat's schema": [FORMAT.format("sky_pg_cluster"), RECOVERY.format("sky_pg_cluster")],
    "a function in public": [FORMAT.format("public"), RECOVERY.format("public")],
    "a schema of its own in every session's path": [
        "create schema mine",
        FORMAT.format("mine"),
        RECOVERY.format("mine"),
        "alter database weak set search_path = mine, pg_catalog",
        "alter role postgres set search_path = mine, pg_catalog",
    ],
    "the heartbeat made again": [
        "alter function sky_pg_cluster.cluster_keepalive_test() owner to weak",
        "create or replace function sky_pg_cluster.cluster_keepalive_test() returns void language sql as 'select'",
        "drop function sky_pg_cluster.cluster_keepalive_test()",
    ],
    "the tables taken over": [
        "alter table sky_pg_cluster.cluster_control owner to weak",
        "alter schema sky_pg_cluster owner to weak",
        "alter table sky_pg_cluster.cluster_status add column grab int default 1",
    ],
    "the owner's role": [
        "set role sky_pg_cluster_owner",
        "grant sky_pg_cluster_owner to weak",
        "alter role sky_pg_cluster_owner login password 'x'",
    ],
    "a superuser's programs": ["copy (select 1) to program 'true'", "select pg_read_file('/etc/passwd')", GRAB],
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_nothing_that_the_ha_role_writes_runs_with_the_superusers_rights(server, eyes, attempt):
    errors = as_weak(server, *ATTEMPTS[attempt])
    looks = eyes.look((Path.VIP, Path.VOTE), 3.0, ())
    local = eyes.local(3.0)
    assert not is_superuser(server)
    assert len(errors) == len(ATTEMPTS[attempt])
    assert {look.sight for look in looks.values()} == {Sight.OK}
    assert (local.server, local.role, local.detail) == (Server.UP, Role.PRIMARY, "")


def test_ha_role_may_do_what_skyha_asks_of_it(server):
    assert not as_weak(
        server,
        "select sky_pg_cluster.cluster_keepalive_test()",
        "update sky_pg_cluster.cluster_control set paused = false",
        peer_sql(),
        "select 1 / has_function_privilege('pg_promote(boolean, integer)', 'execute')::int",
        "select count(*) from pg_stat_get_wal_receiver()",
    )


def test_drill_may_commit_where_the_ha_role_makes_nothing(server):
    table = "sky_pg_cluster.failover_drill"
    assert not as_weak(server, f"truncate {table}", f"insert into {table} values (1)", f"select seq from {table}")
    assert len(as_weak(server, f"drop table {table}", f"alter table {table} add column x int")) == 2


def test_nobody_can_log_in_as_the_owner_of_what_the_heartbeat_runs(server):
    owned = server.sql(
        "SELECT DISTINCT pg_get_userbyid(o), rolsuper, rolcanlogin, rolpassword FROM pg_authid JOIN ("
        "SELECT nspowner FROM pg_namespace WHERE nspname = 'sky_pg_cluster' UNION SELECT relowner FROM pg_class"
        " WHERE relnamespace = 'sky_pg_cluster'::regnamespace UNION SELECT proowner FROM pg_proc"
        " WHERE pronamespace = 'sky_pg_cluster'::regnamespace) x(o) ON pg_authid.oid = o",
        NAME,
    )
    assert owned == "sky_pg_cluster_owner|f|f|"


# What an HA role that owned the objects, or was a superuser, may have left behind -> how it is named; each makes the heartbeat, or
# a superuser's session, run what the HA role wrote.
LEFT = {
    "a trigger": (
        f"create function public.grab() returns trigger language plpgsql as $$ begin {GRAB}; return new; end $$;"
        "create trigger grab before update on sky_pg_cluster.cluster_status for each row execute function public.grab()",
        "trigger grab on table sky_pg_cluster.cluster_status",
    ),
    "our trigger's name with another function": (
        f"create function public.grab() returns trigger language plpgsql as $$ begin {GRAB}; return new; end $$;"
        "drop trigger cannt_delete on sky_pg_cluster.cluster_status;"
        "create trigger cannt_delete before update on sky_pg_cluster.cluster_status for each row execute function public.grab()",
        "trigger cannt_delete",
    ),
    "a rule": ("create rule grab as on update to sky_pg_cluster.cluster_status do also select 1", "rule grab"),
    "a function in the heartbeat's schema": (
        FORMAT.format("sky_pg_cluster"),
        "function sky_pg_cluster.format(text,text)",
    ),
    "a child of the table": ("create table public.child () inherits (sky_pg_cluster.cluster_status)", "table child"),
    "a constraint that calls a function": (
        "create function public.grab() returns boolean language sql as 'select true';"
        "alter table sky_pg_cluster.cluster_control add constraint grab check (public.grab())",
        "constraint grab",
    ),
    "a column that is generated by a function": (
        "create function public.grab(int) returns int immutable language sql as 'select 1';"
        "alter table sky_pg_cluster.cluster_status add column grab int generated always as (public.grab(id)) stored",
        "column grab",
    ),
    "an index by a function": (
        "create function public.grab(int) returns int immutable language sql as 'select 1';"
        "create index grab on sky_pg_cluster.cluster_status (public.grab(id))",
        "index sky_pg_cluster.grab",
    ),
    "a policy": ("create policy grab on sky_pg_cluster.cluster_control using (true)", "policy grab"),
    "an event trigger": (
        "create function public.grab() returns event_trigger language plpgsql as 'begin end';"
        "alter function public.grab() owner to weak; create event trigger grab on ddl_command_end execute function public.grab()",
        "event trigger grab",
    ),
    "a membership in a superuser": ("grant postgres to weak", "is a member of role postgres"),
    "a membership in the owner": ("grant sky_pg_cluster_owner to weak", "is a member of role sky_pg_cluster_owner"),
    "the right to call programs": (
        "grant pg_execute_server_program to weak",
        "is a member of role pg_execute_server_program",
    ),
}


@pytest.mark.parametrize("left", LEFT)
def test_what_a_superuser_of_before_may_have_left_is_refused_with_its_name(server, left):
    made, named = LEFT[left]
    make(server, ha_schema_superuser=True)
    server.sql(made, NAME)
    try:
        done = run(server)
        assert done.returncode != 0
        assert named in done.stderr
        assert "drop it" in done.stderr
        # Nothing was changed: the HA role can do all that it could, and nothing is half made.
        assert is_superuser(server)
    finally:
        server.sql("DROP EVENT TRIGGER IF EXISTS grab", NAME)


def test_second_run_changes_nothing_and_a_superuser_of_before_is_one_no_more(server):
    assert make(server, ha_schema_superuser=True)
    assert is_superuser(server)
    assert make(server)
    assert not is_superuser(server)
    assert "ALTER ROLE" not in make(server).replace("ALTER ROLE", "", 1)  # the password, that no login was tried for
    words = ("CREATE", "ALTER", "GRANT", "REVOKE", "COMMENT")  # by which the playbook tells a change
    changes = [line for line in make(server).splitlines() if line.startswith(words)]
    assert changes == ["ALTER ROLE"]


def test_what_an_older_version_gave_to_the_ha_role_is_taken_back(server):
    server.sql(f"ALTER DATABASE {NAME} OWNER TO {NAME}", "postgres")
    server.sql(
        f"ALTER SCHEMA sky_pg_cluster OWNER TO {NAME}; ALTER TABLE sky_pg_cluster.cluster_status OWNER TO {NAME};"
        f"ALTER TABLE sky_pg_cluster.cluster_control OWNER TO {NAME}; COMMENT ON SCHEMA sky_pg_cluster IS 'of before'",
        NAME,
    )
    make(server)
    assert (
        len(as_weak(server, TRIGGER, FORMAT.format("sky_pg_cluster"), "alter database weak set search_path = mine"))
        == 3
    )
