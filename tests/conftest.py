# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the collection importable from the clone, as Ansible sees it, and the tests' own helpers."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
for entry in (ROOT / "collections", ROOT):
    if str(entry) not in sys.path:
        sys.path.insert(0, str(entry))
