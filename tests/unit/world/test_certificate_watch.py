# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The look at the own server's certificate, beside the loop."""

from __future__ import annotations

import time
from collections.abc import Callable

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Certificate, Shown
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.certificate import PATIENCE, CertificateWatch

GOOD = Certificate(Shown.GOOD, "", 5.0, 6.0)
SILENT = Certificate(Shown.NOTHING, "no answer")
TLS = {"sslmode": "verify-full", "sslrootcert": "/etc/ca.crt", "port": 1921}


def test_without_tls_nobody_looks(make_config: Callable[..., Config]) -> None:
    asked: list[object] = []
    watch = CertificateWatch(make_config(), lambda *where: asked.append(where) or GOOD)
    assert watch.told() is None
    time.sleep(0.05)
    assert not asked


def test_it_looks_at_this_nodes_own_address_and_a_look_that_hangs_holds_up_nobody(
    make_config: Callable[..., Config],
) -> None:
    asked: list[tuple[object, ...]] = []

    def look(*where: object) -> Certificate:
        asked.append(where)
        if len(asked) > 1:
            time.sleep(60)
        return GOOD

    watch = CertificateWatch(make_config(postgresql=TLS), look, every=0.0)
    until = time.monotonic() + 5
    while len(asked) < 2:
        began = time.monotonic()
        watch.told()
        assert time.monotonic() - began < 1.0
        assert time.monotonic() < until
    assert watch.told() == GOOD
    assert asked[0][:4] == ("127.0.0.1", 1921, "127.0.0.1", "/etc/ca.crt")


def test_server_that_is_down_for_a_moment_keeps_the_certificate_that_it_showed(
    make_config: Callable[..., Config],
) -> None:
    watch = CertificateWatch(make_config())
    watch.note(GOOD)
    for _ in range(PATIENCE - 1):
        watch.note(SILENT)
    assert watch.told() == GOOD
    watch.note(SILENT)
    assert watch.told() == Certificate(Shown.NOTHING, "no answer", 5.0, 6.0)
    watch.note(GOOD)
    assert watch.told() == GOOD
