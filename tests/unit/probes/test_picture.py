# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The picture for people and playbooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import ConfigError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import picture


def test_primary_is_seen_without_skyha_and_without_its_table(real_config: Config) -> None:
    seen = picture.take(real_config, 2.0)
    assert (seen["server"], seen["role"], seen["timeline"], seen["vip_held"]) == ("up", "primary", 1, True)
    assert seen["paths"]["vip"]["sight"] == "ok"
    assert seen["paths"]["vote"]["answered_by"] == "node1"
    assert seen["skyha"]["state"] == "absent"
    assert seen["lag_bytes"] is None
    json.dumps(seen)


def test_dead_node_is_data(make_config: Callable[..., Config]) -> None:
    seen = picture.take(
        make_config(postgresql={"port": 1, "data_dir": "/nonexistent", "socket_dir": "/nonexistent"}, vote={"port": 1}),
        0.5,
    )
    assert (seen["server"], seen["role"], seen["primary"]) == ("down", "none", None)
    assert seen["paths"]["vip"]["sight"] == "refused"
    assert seen["peer"]["server"] == "down"


class TestWaiting:
    """wait_for and what is missing."""

    def test_only_what_differs_is_missing(self, real_config: Config) -> None:
        seen = picture.take(real_config, 2.0)
        assert picture.missing(seen, {"role": "primary", "vip_held": "yes", "vote_path": "ok", "timeline": 1}) == []
        assert picture.missing(seen, {"role": "standby", "lag_bytes": 100, "armed": True}) == [
            "role is primary, not standby",
            "lag_bytes is None, not 100",
            "armed is None, not True",
        ]

    def test_every_fact_that_is_offered_exists(self, real_config: Config) -> None:
        assert set(picture.FACTS) == set(picture.flat(picture.take(real_config, 2.0)))

    def test_looks_until_it_is_as_expected(self, real_config: Config) -> None:
        base, now = picture.take(real_config, 2.0), [0.0]
        roles = ["unknown", "standby", "primary"]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        seen, looks, missing = picture.wait_for(
            lambda: {**base, "role": roles.pop(0)}, {"role": "primary"}, 10, 1, lambda: now[0], sleep
        )
        assert (seen["role"], looks, missing) == ("primary", 3, [])
        *_rest, looks, missing = picture.wait_for(lambda: dict(base), {"role": "standby"}, 3, 1, lambda: now[0], sleep)
        assert (looks, missing) == (4, ["role is primary, not standby"])


class TestSkyhasWord:
    """status.json"""

    def test_fresh_status_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "status.json").write_text(
            json.dumps({"written": 100.0, "state": "running", "armed": True, "paused": {"on": False}})
        )
        told = picture.status(str(tmp_path), lambda: 101.0)
        assert (told["state"], told["armed"], told["age"]) == ("running", True, 1.0)

    def test_old_status_is_silence(self, tmp_path: Path) -> None:
        (tmp_path / "status.json").write_text(json.dumps({"written": 100.0, "state": "running"}))
        assert picture.status(str(tmp_path), lambda: 200.0)["state"] == "silent"

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
    def test_damaged_status_is_absence(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "status.json").write_text(text)
        assert picture.status(str(tmp_path))["state"] == "absent"


def test_configuration_file_is_taken_and_what_is_given_wins(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("[cluster]\n")
    with pytest.raises(ConfigError):
        picture.configuration(str(tmp_path / "bad"), {})
    config = picture.configuration(
        str(tmp_path / "none"),
        {("postgresql", "port"): 5432, ("postgresql", "data_dir"): "/d", ("vip", "address"): None},
    )
    server = config.postgresql
    assert (server.port, server.data_dir, server.socket_dir, config.vip.address) == (5432, "/d", "/d", "")
