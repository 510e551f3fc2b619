# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's two ways to a register are one interface, and what one does by etcdctl an etcd understands. (Units and disks: on the lab.)"""

from __future__ import annotations

import inspect
import subprocess
import time
from collections.abc import Iterator

import pytest
import real_etcd
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.etcd import Members
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.register import wait_for
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.verbs import found, renew
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Done, Lost
from node_samples import NODE1, configured
from programs import program

from tests.lab import lab, register, register_etcd, register_sql

ID = "7301234567890123456"
SECRET = "of_one_word"  # etcdctl reads no more than that


def test_either_engine_can_be_called_as_the_rows_call_it() -> None:
    engines = {register_sql.__name__, register_etcd.__name__}
    shared = [name for name, one in inspect.getmembers(register, inspect.isfunction) if one.__module__ in engines]
    assert {"stopped", "heal", "fill", "holder"} <= set(shared)
    for name in shared:
        for engine in (register_sql, register_etcd):
            inspect.signature(getattr(engine, name)).bind(*(["node1"] if name == "on_a_small_disk" else []))


@pytest.fixture(scope="module")
def etcd() -> Iterator[real_etcd.Etcd]:
    with real_etcd.served() as etcd:
        etcd.make(passwords={"register_sky": SECRET})
        (etcd.root / "register_sky").write_text(SECRET + "\n")
        yield etcd


@pytest.fixture(autouse=True)
def on_loopback(etcd: real_etcd.Etcd, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The members' hosts are this one; all members are back afterwards."""
    program("etcdctl")

    def on(host: str, *command: str, stdin: str | None = None, check: bool = True, timeout: float = 60.0) -> str:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise RuntimeError(f"{host}: {done.stderr}")
        return done.stdout

    monkeypatch.setattr(lab, "on", on)
    monkeypatch.setattr(lab, "pid_of", lambda host: 1)
    monkeypatch.setattr(register_etcd, "MEMBERS", tuple(etcd.names))
    monkeypatch.setattr(register_etcd, "_endpoint", etcd.endpoint)
    monkeypatch.setattr(register_etcd, "CAFILE", str(etcd.cafile))
    monkeypatch.setattr(register_etcd, "ROOT", f"root:{real_etcd.ROOT}")
    monkeypatch.setitem(lab.SETTINGS, "pg_cluster_register_password", SECRET)
    yield
    etcd.again()


def asked(etcd: real_etcd.Etcd, *verbs: object) -> list[object]:
    """By the runtime's own client."""
    line = Members(configured(NODE1, register=real_etcd.section(etcd)))
    answers = []
    for verb in verbs:
        line.ask(verb, time.monotonic(), 20.0)
        answers.append(wait_for(line))
    line.close()
    return answers


def test_the_row_is_read_as_skyha_wrote_it(etcd: real_etcd.Etcd) -> None:
    etcd.put(register_etcd.ROW, None)
    assert register_etcd.beat() is None
    with pytest.raises(RuntimeError, match="there is no key"):
        register_etcd.holder()
    asked(etcd, found(ID, "node1", 1, None), renew(ID, "node1", 1), renew(ID, "node1", 1))
    assert (register_etcd.holder(), register_etcd.beat()) == ("node1", 2)


def test_another_password_locks_skyha_out_and_the_right_one_lets_it_in_again(etcd: real_etcd.Etcd) -> None:
    try:
        register_etcd.other_password()
        (answer,) = asked(etcd, found(ID, "node1", 1, None))
        assert isinstance(answer, Lost)
        assert "invalid user ID or password" in answer.failure.detail
    finally:
        register_etcd.right_password()
    (answer,) = asked(etcd, found(ID, "node1", 1, None))
    assert isinstance(answer, Done)


def test_whichever_member_is_to_lead_leads(etcd: real_etcd.Etcd) -> None:
    for name in etcd.names:
        register_etcd.lead(name)
        assert register_etcd.leader() == etcd.leader() == name
        assert register_etcd.is_whole()


def test_with_one_member_less_the_others_tell_and_with_two_less_nobody_does(etcd: real_etcd.Etcd) -> None:
    asked(etcd, found(ID, "node1", 1, None))
    first, second, last = etcd.names
    register_etcd.lead(last)
    etcd.kill(first)
    assert register_etcd.holder() == "node1"
    assert not whole()
    etcd.kill(second)
    assert register_etcd.beat() is None
    lab.wait_for("nobody to lead", lambda: not leads(), 20)
    etcd.again()
    assert register_etcd.holder() == "node1"
    lab.wait_for("all members", register_etcd.is_whole, 20)


def whole() -> bool:
    try:
        return register_etcd.is_whole()
    except RuntimeError:
        return False


def leads() -> bool:
    try:
        return bool(register_etcd.leader())
    except RuntimeError:
        return False
