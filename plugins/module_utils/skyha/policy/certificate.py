# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the certificate that PostgreSQL here shows, as alarms: long before it ends, since then nobody new gets in.

Nothing here is a reason against a failover, and the decision does not see it: the loop adds these alarms once all is decided and done.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..words import Certificate, Local, Server, Shown

DAY = 86400.0
RENEW, AT_ONCE = 30 * DAY, 7 * DAY  # until it ends


def certificate_alarms(seen: Certificate | None, local: Local, wall: float) -> Mapping[str, str]:
    """code -> sentence. `seen`: None where there is nothing to look at; `wall`: this host's clock, seconds since 1970."""
    if seen is None:
        return {}
    if seen.shown in (Shown.WRONG, Shown.PLAIN):
        return {
            "certificate_bad": f"PostgreSQL here is not believed by the peer, nor by clients that look: {seen.detail}"
        }
    if seen.shown is not Shown.GOOD and local.server is Server.UP:
        return {"certificate": f"until when PostgreSQL's certificate lasts is not known: {seen.detail}"}
    ends = seen.ends
    if ends is None or ends - wall > RENEW:
        return {}
    whose = "PostgreSQL's certificate" if ends == seen.until else "the certificate of PostgreSQL's CA"
    days = (ends - wall) / DAY
    text = f"{whose} ends in {days:.0f} days" if days >= 0 else f"{whose} ended {-days:.0f} days ago"
    return {"certificate_bad": text} if ends - wall <= AT_ONCE else {"certificate": text}
