# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration reader: right values, and one clear sentence for every wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config, config_file
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import ConfigError
from config_samples import ETCD, GOOD, REGISTER, problems
from hypothesis import given
from hypothesis import strategies as st


def test_defaults_are_the_documents_ports_and_the_fast_profile() -> None:
    read = config_file.parse(GOOD)
    assert (read.postgresql.port, read.vote.port, read.timing.profile) == (1921, 11921, "fast")
    assert read.timing == config.PROFILES["fast"]
    assert read.agents[0].privilege == "operator"


def test_backups_are_configured_by_a_stanza() -> None:
    assert not config_file.parse(GOOD).has_backup
    read = config_file.parse(GOOD + "[backup]\nstanza = sky\nmax_age = 7200\n")
    assert read.has_backup
    assert (read.backup.max_age, read.backup.archive_max_age, read.backup.verify_max_age) == (7200.0, 600.0, 777600.0)


def test_profile_document_can_be_overridden_value_by_value() -> None:
    read = config_file.parse(GOOD + "[timing]\nprofile = document\ninterval = 3\n")
    assert (read.timing.interval, read.timing.failures_before_failover, read.timing.fence_attempts) == (3.0, 10, 60)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("[vip]\naddress = 198.51.100.116", ""), "[vip] address is missing"),
        (("198.51.100.116", "vip.example"), "must be an IP address"),
        (("198.51.100.116", "198.51.100.111"), "[peer] address and [vip] address are both 198.51.100.111"),
        (("name = node2", "name = node1"), "are both node1"),
        (
            ("198.51.100.212", "198.51.100.111"),
            "is the peer itself, which is not there when it matters; it must be its BMC's",
        ),
        (
            ("[peer]", "bmc_address = 198.51.100.212\n[peer]"),
            "[agent bmc] leads to 198.51.100.212, which is its own BMC's address: this node would switch itself off",
        ),
        (("kind = ipmi", "kind = magic"), "not one of ipmi, command"),
        (("user = test\n", ""), "[agent bmc] user is missing"),
        (("[cluster]", "[clutser]"), "unknown section [clutser]"),
        (("name = sky", "nane = sky"), "[cluster] nane is unknown; known: name"),
        (("[vote]", "[timing]\ninterval = 0\n[vote]"), "must be more than 0"),
        (
            ("[vote]", "[timing]\nswitchover_deadline = 0\n[vote]"),
            "[timing] switchover_deadline = '0': must be more than 0",
        ),
        (("[vote]", "[timing]\nprofile = quick\n[vote]"), "not one of fast, document"),
        (("[vote]", "[timing]\nfence_attempts = many\n[vote]"), "must be a whole number"),
        (("[vote]", "[vote]\nport = 70000"), "must be a port"),
        (("[vote]", "[failover]\nauto_rejoin = perhaps\n[vote]"), "must be yes or no"),
        (("[vote]", "[failover]\nkeep_slots = Barman\n[vote]"), "no name of a slot"),
        (("[vote]", "[failover]\nkeep_slots = barman, node1\n[vote]"), "'node1' is a node's own slot"),
        (("[vote]", "[fence]\naction = explode\n[vote]"), "must be one of off, reset"),
        (("[vote]", "[vip"), "vip"),
    ],
)
def test_each_mistake_is_named(change: tuple[str, str], sentence: str) -> None:
    assert sentence in problems(GOOD.replace(*change))


def test_no_register_is_asked_unless_one_is_set() -> None:
    assert not config_file.parse(GOOD).has_register
    read = config_file.parse(GOOD + REGISTER + "[watchdog]\ndevice = /dev/watchdog0\n[signs]\nport = 8009\n")
    assert read.has_register
    assert read.has_lease
    assert (read.register.port, read.register.lease, read.register_user) == (11920, 3.0, "register_sky")
    assert (read.watchdog.device, read.watchdog.timeout) == ("/dev/watchdog0", 4)
    assert config_file.parse(GOOD + REGISTER + "user = other\n").register_user == "other"


def test_an_etcd_has_members_instead_of_an_address() -> None:
    read = config_file.parse(GOOD + ETCD)
    assert read.has_register
    assert read.register.places == (("198.51.100.110", 11923), ("2001:db8::5", 11923))
    assert read.register.where == "198.51.100.110:11923, [2001:db8::5]:11923"
    assert (read.register_user, read.register.password_file) == ("register_sky", "/etc/skyha/register.password")
    assert config_file.parse(GOOD + REGISTER).register.where == "198.51.100.35:11920"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[register]\nengine = raft\n", "[register] engine = 'raft': must be one of none, vote_host, external, etcd"),
        ("[register]\nengine = external\n", "[register] address is missing; engine external needs it"),
        ("[register]\nengine = etcd\ncafile = /x\n", "[register] endpoints is missing; engine etcd needs it"),
        (ETCD.replace("cafile", "#"), "[register] cafile is missing; engine etcd needs it"),
        (ETCD.replace("198.51.100.110:", "https://198.51.100.110:"), "must be ADDRESS:PORT each"),
        (ETCD.replace("198.51.100.110", "etcd.example"), "must be an IP address"),
        (ETCD.replace("198.51.100.110:11923", "198.51.100.110"), "must be ADDRESS:PORT each"),
        (ETCD.replace("198.51.100.110:11923", "198.51.100.110:99999"), "must be a port"),
        (ETCD.replace("[2001:db8::5]", "2001:db8::5"), "must be ADDRESS:PORT each"),
        (ETCD.replace("[2001:db8::5]", "198.51.100.110"), "names a member twice"),
        (ETCD.replace("198.51.100.110:", ":"), "must be an IP address"),
        (
            ETCD.replace("= etcd", "= external\naddress = 198.51.100.35"),
            "endpoints are an etcd's, but engine is external",
        ),
        (REGISTER + "lease = 0\n", "[register] lease = '0': must be more than 0"),
        (REGISTER + "lease = 2.8\n", "[register] lease = 2.8 is too short"),
        (REGISTER + "[timing]\nprofile = document\n", "[register] lease = 3 is too short"),
        (REGISTER + "[watchdog]\ntimeout = 2.5\n", "[watchdog] timeout = '2.5': must be a whole number"),
        (REGISTER + "[watchdog]\ntimeout = 2\n", "[watchdog] timeout = 2 is too short"),
        (REGISTER + "[watchdog]\ndevice = /dev/watchdog0\n", "but [signs] port is 0"),
        ("[backup]\nmax_age = 7200\n", "[backup] stanza is missing"),
        ("[backup]\nstanza = sky\nmax_age = 0\n", "[backup] max_age = '0': must be more than 0"),
        ("[watchdog]\ndevice = /dev/watchdog\n", "but [register] engine is none: nothing would feed it"),
    ],
)
def test_register_and_watchdog_that_do_not_go_together_are_refused(text: str, sentence: str) -> None:
    assert sentence in problems(GOOD + text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[replication]\nmode = zero_loss\n", "[replication] mode = zero_loss needs a [register]"),
        (REGISTER + "[replication]\nmode = sync\n", "[replication] mode = 'sync': must be one of async, zero_loss"),
        (REGISTER + "[replication]\nsync_commit = local\n", "sync_commit = 'local': must be one of on, remote_apply"),
        (REGISTER + "[replication]\nsync_patience = soon\n", "[replication] sync_patience = 'soon'"),
        (REGISTER + "[replication]\nsync_patience = 0\n", "[replication] sync_patience"),
    ],
)
def test_a_promise_that_cannot_be_kept_is_refused(text: str, sentence: str) -> None:
    assert sentence in problems(GOOD + text)


def test_zero_loss_is_asked_for_and_nobody_has_it_by_default() -> None:
    assert not config_file.parse(GOOD + REGISTER).zero_loss
    read = config_file.parse(GOOD + REGISTER + "[replication]\nmode = zero_loss\nsync_patience = 5\n")
    assert read.zero_loss
    assert (read.replication.sync_commit, read.replication.sync_patience) == ("on", 5.0)


def test_all_problems_are_told_at_once() -> None:
    found = problems("[timing]\ninterval = x\n")
    assert "interval" in found
    assert "[node] address is missing" in found
    assert "without a way to fence the peer" in found


def test_quoted_value_keeps_blanks_and_signs() -> None:
    read = config_file.parse(GOOD.replace("user = test", 'user = " a;b#c%d "'))
    assert read.agents[0].user == " a;b#c%d "


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        config_file.read(str(tmp_path / "none.conf"))


def test_password_loses_only_its_newline(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("  pass word \n")
    assert config_file.password(str(file)) == "  pass word "
    with pytest.raises(ConfigError, match="cannot be read"):
        config_file.password(str(tmp_path / "none"))


@given(st.text())
def test_any_text_is_read_or_refused_with_sentences(text: str) -> None:
    try:
        config_file.parse(text)
    except ConfigError as error:
        sentences = error.problems
    else:
        return
    assert sentences


@given(st.dictionaries(st.sampled_from(["interval", "fence_attempts", "hang_timeout", "profile"]), st.text()))
def test_any_timing_is_read_or_refused_with_sentences(values: dict[str, str]) -> None:
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    try:
        read = config_file.parse(GOOD + "[timing]\n" + lines)
    except ConfigError as error:
        sentences = error.problems
    else:
        assert read.timing.interval > 0
        return
    assert sentences


PDU = """
[agent left]
kind = command
address = 198.51.100.50
off = fence_apc_snmp plug=3
on = fence_apc_snmp plug=3
status = fence_apc_snmp plug=3
[agent right]
kind = command
address = 198.51.100.51
off = fence_apc_snmp plug=3
on = fence_apc_snmp plug=3
status = fence_apc_snmp plug=3
"""


def fences(levels: str) -> list[list[str]]:
    read = config_file.parse(GOOD + PDU + f"[fence]\nlevels = {levels}\n")
    return [[agent.name for agent in level] for level in read.fences]


class TestLevels:
    """Which agents switch off together, and in which order."""

    def test_agents_are_levels_of_their_own_in_the_order_of_the_file(self) -> None:
        assert fences("") == [["bmc"], ["left"], ["right"]]

    def test_agents_joined_by_a_plus_are_one_level(self) -> None:
        assert fences("bmc, left+right") == [["bmc"], ["left", "right"]]
        assert fences("left+right bmc") == [["left", "right"], ["bmc"]]

    @pytest.mark.parametrize(
        ("levels", "sentence"),
        [
            ("bmc left+rihgt", "[fence] levels names 'rihgt', and there is no [agent rihgt]"),
            ("bmc left", "[agent right] is 0 times in [fence] levels"),
            ("bmc left+right left", "[agent left] is 2 times in [fence] levels"),
            ("bmc left+left right", "[agent left] is 2 times in [fence] levels"),
            ("bmc left+ right", "[fence] levels names ''"),
            ("bmc left+right\naction = reset", "a reset of one after the other never ends the host's power"),
        ],
    )
    def test_each_mistake_is_named(self, levels: str, sentence: str) -> None:
        assert sentence in problems(GOOD + PDU + f"[fence]\nlevels = {levels}\n")


class TestFenceOfOneself:
    """It is node1 that reads this file, at 198.51.100.110."""

    @pytest.mark.parametrize(
        "line",
        [
            "fence_virsh plug=node1",
            "fence_virsh --plug=NODE1",
            "fence_virsh -n node1.example.org",
            "ssh root@198.51.100.110 poweroff",
            "sh -c 'pdu off node1'",
            "fence_ipmilan ip=198.51.100.116",
        ],
    )
    def test_command_line_that_names_this_node_is_refused(self, line: str) -> None:
        text = GOOD + f"[agent own]\nkind = command\noff = {line}\nstatus = {line}\n"
        assert "[agent own] leads to" in problems(text)
        assert "this node would switch itself off" in problems(text)

    @pytest.mark.parametrize(
        "line",
        [
            "fence_virsh plug=node2",
            "fence_virsh plug=node10",
            "fence_virsh plug=node2 login=node1",
            "fence_vmware_rest --plug=node2 --username=node1",
            "/opt/node1/fence plug=node2 identity_file=/etc/pki/node1.pem",
        ],
    )
    def test_command_line_that_names_the_peer_is_taken(self, line: str) -> None:
        text = GOOD + f"[agent own]\nkind = command\noff = {line}\nstatus = {line}\n"
        assert config_file.parse(text).agents[1].off == line

    @pytest.mark.parametrize("address", ["198.51.100.110", "198.51.100.116"])
    @pytest.mark.parametrize("kind", ["ipmi\nuser = u\npassword_file = p", "command\noff = pdu off\nstatus = pdu"])
    def test_agent_at_an_own_address_is_refused(self, address: str, kind: str) -> None:
        text = GOOD + f"[agent own]\naddress = {address}\nkind = {kind}\n"
        assert f"[agent own] leads to {address}, which is" in problems(text)

    def test_own_address_is_known_in_any_spelling(self) -> None:
        text = (
            GOOD.replace("198.51.100.110", "2001:db8::a")
            + "[agent own]\nkind = command\noff = x [2001:DB8:0::A]\nstatus = x\n"
        )
        assert "[agent own] leads to" in problems(text)
