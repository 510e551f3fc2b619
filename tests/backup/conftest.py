# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each test begins on a whole cluster with a backup in its repository, and leaves none of its faults behind."""

import pytest

from tests.backup import repository
from tests.lab.fixtures import primary, standby, whole_cluster  # noqa: F401  (fixtures)


@pytest.fixture(autouse=True)
def _a_backup(whole_cluster):  # noqa: F811
    repository.wait_for_a_backup()
