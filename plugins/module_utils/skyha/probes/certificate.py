# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which certificate a PostgreSQL really shows, and whether whoever trusts a CA would believe it: one handshake, no login."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..words import Certificate, Shown

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def look(address: str, port: int, name: str, cafile: str, deadline: float) -> Certificate:
    """Ask the server at this address; `name` (or address) is what its certificate must name."""
    until = time.monotonic() + deadline
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=cafile)
        # It is to say what libpq would, and that is not so strict (Python is from 3.13 on).
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    except (OSError, ValueError) as error:
        return Certificate(Shown.ERROR, f"{cafile}, the file of the CA, cannot be used: {error}")
    try:
        with socket.create_connection((address, port), timeout=deadline) as plain:
            plain.settimeout(max(0.01, until - time.monotonic()))
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                return Certificate(Shown.PLAIN, "it does not offer TLS")
            with context.wrap_socket(plain, server_hostname=name) as secured:
                return _good(secured.getpeercert() or {}, context.get_ca_certs())
    except ssl.SSLCertVerificationError as error:
        return Certificate(Shown.WRONG, f"its certificate is not believed: {error.verify_message}")
    except ssl.SSLError as error:
        return Certificate(Shown.WRONG, f"TLS failed: {error.reason or error}")
    except OSError as error:
        return Certificate(Shown.NOTHING, f"no answer: {error.strerror or error}")


def _good(told: Mapping[str, Any], authorities: Sequence[Mapping[str, Any]]) -> Certificate:
    by = [one for one in authorities if one.get("subject") == told.get("issuer")] or authorities
    return Certificate(
        Shown.GOOD,
        "its certificate is good",
        _ends(told),
        max((end for end in map(_ends, by) if end is not None), default=None),
        str(told.get("serialNumber", "")),
    )


def _ends(told: Mapping[str, Any]) -> float | None:
    end = told.get("notAfter")
    return float(ssl.cert_time_to_seconds(end)) if end else None
