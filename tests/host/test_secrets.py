# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Building the cluster shows no secret, whatever is asked of Ansible; tests/seeing looks at the finished cluster."""

from __future__ import annotations

import pytest

from tests.lab import lab, secrets

# As molecule/default has them made: what -vvv logs of connections, and every result with its arguments and diff.
LOG, RESULTS = (lab.ROOT / f".cache/molecule-default.{end}" for end in ("log", "results"))


@pytest.mark.skipif(not RESULTS.exists(), reason="the cluster was not built by the molecule scenario default")
def test_first_run_at_its_most_talkative_shows_no_secret() -> None:
    found = secrets.all_of_them()
    text = LOG.read_text(errors="replace") + RESULTS.read_text(errors="replace")
    # It is the log of a whole run with all details, or the search proves nothing.
    for words in (
        "TASK [sky.pg_cluster.streaming_replication",
        "TASK [sky.pg_cluster.nagios_nrpe",
        "> RUN [",
        "module_args",
        '"diff"',
    ):
        assert words in text, words
    assert secrets.seen_in(text, found) == []
    assert secrets.seen_in(text + found["pg_cluster_ha_password"], found) == ["pg_cluster_ha_password"]
