# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a datagram between both skyhas is written, and what is not taken for one."""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import ConfigError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.datagram import (
    MOST_BYTES,
    Sign,
    key_of,
    read_key,
    sealed,
    unsealed,
)
from rights import rights_of_nobody

TEXT = b"a key that both have"
KEY = key_of(TEXT)
SIGN = Sign("sky", "node2", "there", 10.0, "here", 5.5, True, 7, 42)


def by_hand(body: bytes) -> bytes:
    return body + hmac.digest(hashlib.sha256(TEXT).digest(), body, "sha256")


def test_it_is_byte_by_byte_as_a_node_that_is_not_updated_yet_reads_it() -> None:
    body = struct.pack(">BBddqq", 2, 1, 10.0, 5.5, 7, 42) + b"sky\0node2\0there\0here"
    assert sealed(SIGN, KEY) == by_hand(body)
    body = struct.pack(">BBddqq", 2, 0, 10.0, 0.0, -1, -1) + b"sky\0node2\0there\0"
    assert sealed(Sign("sky", "node2", "there", 10.0), KEY) == by_hand(body)


@pytest.mark.parametrize("sign", [SIGN, SIGN._replace(is_promise=False), Sign("sky", "node2", "there", 10.0)])
def test_it_says_what_was_written(sign: Sign) -> None:
    assert unsealed(sealed(sign, KEY), KEY) == sign


def test_the_longest_names_have_room() -> None:
    assert len(sealed(Sign("c" * 63, "n" * 253, "b" * 36, 1.0, "b" * 36), KEY)) < MOST_BYTES


HEAD = struct.pack(">BBddqq", 2, 0, 10.0, 0.0, -1, -1)
REFUSED = {
    "signed with another key": ("not signed with this node's key", sealed(SIGN, key_of(b"another"))),
    "not signed": ("not signed with this node's key", HEAD + b"sky\0node2\0there\0"),
    "changed on its way": ("not signed with this node's key", sealed(SIGN, KEY).replace(b"there", b"where")),
    "made a promise on its way": (
        "not signed with this node's key",
        b"\2\1" + sealed(SIGN._replace(is_promise=False), KEY)[2:],
    ),
    "cut off": ("not signed with this node's key", sealed(SIGN, KEY)[:-1]),
    "another version": ("not of version 2", by_hand(b"\1" + HEAD[1:] + b"sky\0node2\0there\0")),
    "another version by its first byte": ("not of version 2", b"\1" + sealed(SIGN, KEY)[1:]),
    "empty": ("not of version 2", b""),
    "short": ("not signed with this node's key", b"\2"),
    "signed, but too short": ("garbled", by_hand(HEAD[:9])),
    "signed, but a text is missing": ("garbled", by_hand(HEAD + b"sky\0node2\0there")),
    "signed, but no text": ("garbled", by_hand(HEAD + b"sky\0node2\0th\xffere\0")),
    "a mark that is no time": ("its times are none", sealed(SIGN._replace(mark=math.inf), KEY)),
    "an echo that is no time": ("its times are none", sealed(SIGN._replace(echo=math.nan), KEY)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_nobody_with_this_key_has_sent_is_refused(what: str) -> None:
    reason, data = REFUSED[what]
    with pytest.raises(ValueError, match=reason):
        unsealed(data, KEY)


@pytest.mark.parametrize("text", [None, b"", b" \n"])
def test_without_a_key_it_says_what_to_do(tmp_path: Path, text: bytes | None) -> None:
    file = tmp_path / "key"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(ConfigError, match=r"keyfile = .*role skyha_daemon writes it, the same on both nodes") as error:
        read_key(str(file))
    assert not error.value.may_pass


def test_white_space_around_the_key_is_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b" " + TEXT + b"\n")
    assert sealed(SIGN, read_key(str(tmp_path / "key"))) == sealed(SIGN, KEY)


def test_key_that_may_not_be_read_is_told(open_directory: Path) -> None:
    (open_directory / "key").write_bytes(TEXT)
    (open_directory / "key").chmod(0o600)
    with rights_of_nobody(), pytest.raises(ConfigError, match=r"Permission denied.*role skyha_daemon"):
        read_key(str(open_directory / "key"))
