# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every state of every plugin, through the real check_nrpe, and what the other places show at the same time.

The tests of one class follow each other: each leaves the cluster as the next one needs it.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.lab import lab, places, prometheus, register
from tests.lab.places import CRITICAL, OK, UNKNOWN, WARNING

PLUGINS = "/usr/local/nagios/libexec"


def wait_for_state(node: str, command: str, state: int, words: str, timeout: float = 60) -> str:
    """Wait until NRPE on `node` answers `state` with `words`; the line."""

    def look() -> str:
        code, line = places.nrpe(node, command)
        assert code == state and words in line, (code, line)  # noqa: PT018 (one answer)
        return line

    line = lab.wait_for(f"{command} on {node} is {state}", look, timeout, every=0.5)
    assert "\n" not in line
    assert line.startswith(f"{places.CHECKS[command][0]} {('OK', 'WARNING', 'CRITICAL', 'UNKNOWN')[state]} - ")
    return line


class TestPaused:
    """Paused, so that nothing is repaired while it is broken on purpose."""

    @pytest.fixture(scope="class", autouse=True)
    @staticmethod
    def paused(primary: str, standby: str) -> None:
        lab.on(standby, "skyctl", "pause")
        for node in lab.NODES:
            lab.wait_for(f"{node} is paused", lambda node=node: lab.status(node)["paused"]["on"], 30)

    def test_paused_is_a_warning_everywhere(self, primary: str, standby: str) -> None:
        wait_for_state(standby, "check_skyha_armed", WARNING, "not armed: ")
        code, text = places.skyctl(standby, "status")
        assert (code, "NO: paused" in text) == (4, True)
        assert places.metrics(standby)['skyha_not_armed_reason{reason="paused"}'] == 1
        assert places.metrics(primary)["skyha_paused"] == 1
        assert "until resumed" in places.http(standby, "/")[1]
        assert "skyctl resume" in places.skyctl(standby, "explain")[1]

    def test_primary_without_its_vip(self, primary: str, standby: str) -> None:
        lab.on(primary, "ip", "address", "del", f"{lab.VIP}/24", "dev", "eth0")
        wait_for_state(primary, "check_vip", CRITICAL, "is not up on this primary")
        wait_for_state(standby, "check_vip", WARNING, "nothing came through the VIP")
        lab.wait_for("Nagios shows it", lambda: places.services()["sky-vip/PostgreSQL port"] == places.RED, 60, every=1)

    def test_standby_that_does_not_replay(self, primary: str, standby: str) -> None:
        lab.sql(standby, "SELECT pg_wal_replay_pause()")
        wait_for_state(standby, "check_standby_lag", WARNING, "WAL replay is paused")
        wait_for_state(standby, "check_skyha_armed", CRITICAL, "not armed: ")

    def test_standby_that_is_down(self, primary: str, standby: str) -> None:
        lab.on(standby, "systemctl", "stop", "sky-postgresql")
        wait_for_state(standby, "check_standby_lag", CRITICAL, "PostgreSQL of this standby is down")
        wait_for_state(primary, "check_standby_lag", CRITICAL, "no standby streams")
        assert [places.http(standby, path)[0] for path in ("/health", "/primary", "/replica")] == [503, 503, 503]
        assert [places.http(primary, path)[0] for path in ("/health", "/primary", "/replica")] == [200, 200, 503]
        lab.wait_for(
            "Nagios shows it", lambda: places.services()[f"{standby}/PostgreSQL port"] == places.RED, 60, every=1
        )

    def test_resume_mends_all(self, primary: str, standby: str) -> None:
        lab.on(primary, "skyctl", "resume")
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
        for node in lab.NODES:
            for command in places.CHECKS:
                wait_for_state(node, command, OK, "")
        assert [places.http(standby, path)[0] for path in ("/health", "/primary", "/replica")] == [200, 503, 200]


class TestFence:
    """The way to the peer's power."""

    def test_bmc_that_does_not_answer(self, primary: str, standby: str) -> None:
        lab.lab("bmc", primary, "stop")
        code, text = places.skyctl(standby, "fence-test")
        assert code == 1
        assert "cannot be used" in text
        wait_for_state(standby, "check_fence", CRITICAL, f"the BMC of {primary} cannot be used")
        if register.ENGINE == "none":
            assert "BMC" in wait_for_state(standby, "check_skyha_armed", CRITICAL, "not armed: ")
        else:  # the lease is the other way
            wait_for_state(standby, "check_skyha_armed", OK, "")
        assert places.metrics(standby)["skyha_bmc_up"] == 0

    def test_bmc_that_wants_another_password(self, primary: str, standby: str) -> None:
        lab.lab("bmc", primary, "heal")
        lab.wait_for("an answer", lambda: places.skyctl(standby, "fence-test")[0] == 0, 60, every=1)
        lab.lab("bmc", primary, "password", "other")
        try:
            code, text = places.skyctl(standby, "fence-test")
        finally:
            lab.lab("bmc", primary, "heal")
        assert code == 1
        assert "password" in text

    def test_bmc_that_answers_again(self, primary: str, standby: str) -> None:
        lab.wait_for("an answer", lambda: places.skyctl(standby, "fence-test")[0] == 0, 60, every=1)
        wait_for_state(standby, "check_fence", OK, "power on")

    def test_peer_that_is_off(self, primary: str, standby: str) -> None:
        lab.lab("power", standby, "off")
        lab.wait_for("the BMC's word", lambda: "is off" in places.skyctl(primary, "fence-test")[1], 60, every=1)
        wait_for_state(primary, "check_fence", WARNING, f"{standby} is switched off")
        lab.lab("power", standby, "on")
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)


class TestNoVote:
    """The vote host's proxy is stopped."""

    def test_vote_port_is_red_and_nothing_is_armed(self, primary: str, standby: str) -> None:
        lab.on("vote", "systemctl", "stop", "sky-vote-proxy")
        try:
            lab.wait_for("Nagios shows it", lambda: places.services()["sky-vote/vote port"] == places.RED, 60, every=1)
            wait_for_state(standby, "check_skyha_armed", CRITICAL, "vote")
            assert lab.is_writable(primary)
        finally:
            lab.on("vote", "systemctl", "start", "sky-vote-proxy")
        lab.wait_for("the whole cluster", lab.is_whole, 60, every=0.5)


class TestBrokenSnapshot:
    """What the plugins read is rubbish: UNKNOWN, one line, no traceback; here, through NRPE and on Nagios' page."""

    @pytest.mark.parametrize("content", ["", '{"format": 1, "sta', "[]", '{"format": 99}', "\xff\x00"])
    def test_through_nrpe(self, standby: str, content: str) -> None:
        lab.on(standby, "systemctl", "stop", "skyha")
        try:
            lab.on(standby, "sh", "-c", "cat > /run/skyha/status.json", stdin=content)
            for command in places.CHECKS:
                line = wait_for_state(standby, command, UNKNOWN, "")
                assert "Traceback" not in line
            if content == "[]":
                names = [f"{standby}/{name}" for _, name in places.CHECKS.values()]
                lab.wait_for(
                    "Nagios shows UNKNOWN",
                    lambda: all(places.services()[name] == places.PURPLE for name in names),
                    60,
                    every=1,
                )
        finally:
            lab.on(standby, "systemctl", "start", "skyha")

    @pytest.mark.parametrize("command", places.CHECKS)
    def test_wrong_options_are_unknown(self, standby: str, command: str) -> None:
        plugin = {"check_sky_pg_clusterd": "check_sky_pg_clusterd_alive"}.get(command, command)
        for arguments in (["-w", "much"], ["--nonsense"], ["-t", "0"], ["-f", "/etc/shadow"], ["-f", "/"]):
            code, out, err = places.ask(standby, "runuser", "-u", "postgres", "--", f"{PLUGINS}/{plugin}", *arguments)
            assert (code, out.count("\n"), err) == (UNKNOWN, 1, ""), (arguments, out, err)


class TestDaemonStopped:
    """skyha itself does not run."""

    def test_plugins_page_and_skyctl_say_so(self, primary: str, standby: str) -> None:
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
        lab.on(standby, "systemctl", "stop", "skyha")
        try:
            for command in ("check_sky_pg_clusterd", "check_skyha_armed"):
                wait_for_state(standby, command, CRITICAL, "skyha is stopped")
            for command in ("check_standby_lag", "check_vip", "check_fence"):
                wait_for_state(standby, command, UNKNOWN, "skyha is stopped")
            for verb in ("status", "explain", "fence-test"):
                code, text = places.skyctl(standby, verb)
                assert code == 3, (verb, text)
                assert "systemctl" in text
            assert places.skyctl(standby, "history")[0] == 0
            code, text = places.skyctl(primary, "status")
            assert code == 4
            assert f"{standby}: skyha" in text
        finally:
            lab.on(standby, "systemctl", "start", "skyha")

    def test_configuration_that_cannot_be_used(self, primary: str, standby: str) -> None:
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
        lab.on(
            standby,
            "sh",
            "-c",
            "sed 's/^peer/pear/; s/^port = .*/port = many/' /etc/skyha/skyha.conf > /tmp/wrong.conf",
        )
        code, text = places.skyctl(standby, "check-config", "/tmp/wrong.conf")
        assert code == 78
        assert "[postgresql] port" in text
        assert places.skyctl(standby, "check-config")[0] == 0


def test_scrape_of_both_nodes_has_nothing_for_promtool_to_say(scraper: prometheus.Scraper) -> None:
    for node in lab.NODES:
        assert scraper.promtool("check", "metrics", stdin=places.http(node, "/metrics")[1]) == (0, "")
    code, text = scraper.promtool("check", "rules", "/etc/prometheus/prometheus-rules.yml")
    assert code == 0, text


def test_dashboard_asks_what_prometheus_can_answer(scraper: prometheus.Scraper) -> None:
    # A skyha that was started just now has to look around, and Prometheus to come by.
    lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
    board = json.loads((lab.ROOT / "monitoring/grafana-dashboard.json").read_text())
    is_lossless = lab.status(lab.NODES[0])["replication"]["mode"] == "zero_loss"
    for panel in board["panels"]:
        if panel["title"].startswith("Zero loss") and not is_lossless:
            continue  # there are no such metrics
        for target in panel.get("targets", ()):
            question = target["expr"].replace("$instance", ".+").replace("$__rate_interval", "1m")
            # What is shown only while it is so has no data in good order.
            question = re.sub(r"\s*[=>]=? *[01]$", "", question)
            lab.wait_for(f"{panel['title']}: {question}", lambda q=question: scraper.query(q), 30, every=1)
