# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real Prometheus on the monitoring host, with the alert rules of monitoring/ and the scrape job of its README."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

from tests.lab import lab, places

RULES = lab.ROOT / "monitoring/prometheus-rules.yml"
# The example of monitoring/README.md, with a short interval, as a power loss is to be seen within seconds.
CONFIG = f"""
global: {{scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 2s}}
rule_files: [prometheus-rules.yml]
scrape_configs:
  - job_name: skyha
    static_configs:
      - targets: {[f"{places.address(node)}:{places.HTTP_PORT}" for node in lab.NODES]}
"""
_INSTALL = (
    "command -v prometheus >/dev/null || { apt-get -qq update; "
    "DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends prometheus; }"
)
_QUERY = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"


class NotInstalled(Exception):
    """The distribution's mirror did not give the package."""


class Scraper:
    """Asks the Prometheus by its HTTP API."""

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now: [{"metric": labels, "value": [time, text]}]."""
        url = "http://127.0.0.1:9090/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        return list(json.loads(lab.on("monitor", "python3", "-c", _QUERY, url))["data"]["result"])

    def by_node(self, expression: str) -> dict[str, float]:
        """The value of an expression by the node that it was scraped from."""
        nodes = {f"{places.address(node)}:{places.HTTP_PORT}": node for node in lab.NODES}
        return {nodes[one["metric"]["instance"]]: float(one["value"][1]) for one in self.query(expression)}

    def alerts(self, within: str) -> set[str]:
        """The names of the alerts that are pending or firing, or were so within that time (a duration of PromQL)."""
        return {one["metric"]["alertname"] for one in self.query(f"last_over_time(ALERTS[{within}])")}

    def promtool(self, *arguments: str, stdin: str | None = None) -> tuple[int, str]:
        """Run promtool: exit code and all that it said."""
        code, out, err = places.ask("monitor", "promtool", *arguments, stdin=stdin)
        return code, out + err


def start() -> Scraper:
    """Install and start it where it is not, and wait until it has scraped both nodes. Raises NotInstalled."""
    code, out, err = places.ask("monitor", "sh", "-c", _INSTALL)
    if code:
        raise NotInstalled(f"the package prometheus cannot be installed: {(out + err)[-400:]}")
    for name, text in (("prometheus.yml", CONFIG), ("prometheus-rules.yml", RULES.read_text())):
        lab.on("monitor", "sh", "-c", f"cat > /etc/prometheus/{name}", stdin=text)
    lab.on("monitor", "systemctl", "restart", "prometheus")
    scraper = Scraper()
    lab.wait_for("Prometheus has scraped both nodes", lambda: len(scraper.by_node("skyha_running == 1")) == 2, 60)
    return scraper
