# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a module's main with arguments, in this process."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args


def run(module: ModuleType, capsys: pytest.CaptureFixture[str], check: bool = False, **given: Any) -> dict[str, Any]:
    """What the module answered."""
    with patch_module_args({**given, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)
