# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each test begins on a whole cluster, and leaves none of its faults behind."""

from tests.lab.fixtures import primary, standby, whole_cluster  # noqa: F401  (fixtures)
