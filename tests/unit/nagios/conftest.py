# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fixtures of this folder."""

from __future__ import annotations

from nagios_samples import ask  # noqa: F401 (pytest takes fixtures from here)
