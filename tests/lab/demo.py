# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A failover to watch: cuts the primary's power under a writing client and tells what happened when."""

from __future__ import annotations

import sys
import time

from tests.lab import lab
from tests.lab.watch import Watch


def main() -> int:
    """Returns 0 when the standby took over and nothing was lost."""
    lab.wait_for("an armed cluster", lab.is_whole, 120)
    old = lab.primary()
    new = lab.other(old)
    with Watch() as watch:
        time.sleep(1.0)
        print(f"\npower of {old} cut", flush=True)
        cut = time.monotonic()
        lab.lab("power", old, "off")
        lab.wait_for(f"{new} as primary with the VIP", lambda: lab.is_writable(new) and lab.holds_vip(new), 60)
        lab.wait_for("the client's next commit", lambda: watch.resumed(cut + 0.5), 30)
        lab.wait_for(f"{old} back as standby", lab.is_whole, 180, every=1.0)
    report = watch.report
    print(f"\nWhat {new} noted (seconds after the cut):")
    for event in report.history.get(new, []):
        print(f"  {event['monotonic'] - cut:7.2f}  {event['kind']:<16} {event['text']}")
    print(
        f"\nclient: {report.outage:.2f} s between two acknowledged commits; acknowledged commits lost: {len(report.lost)}"
    )
    report.check()
    print(lab.on(new, "skyctl", "status", check=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
