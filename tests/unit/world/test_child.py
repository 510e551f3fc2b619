# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One line in, one line out, whatever libraries print."""

from __future__ import annotations

import json
import subprocess

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.child import command


def run(body: str, text: str) -> subprocess.CompletedProcess[str]:
    argv, environment = command("world.child")
    package = argv[2].rsplit(".", 2)[0]
    script = f"from {package}.world.child import serve\n{body}\nraise SystemExit(serve(handle))"
    return subprocess.run(
        [argv[0], "-c", script], input=text, env=environment, capture_output=True, text=True, timeout=20
    )


def test_what_is_printed_beside_the_answer_does_not_spoil_it() -> None:
    done = run("def handle(request):\n    print('noise')\n    return {'got': request['a']}", '{"a": 1}\n')
    assert json.loads(done.stdout) == {"got": 1}
    assert "noise" in done.stderr


def test_error_is_an_answer() -> None:
    done = run("def handle(request):\n    raise ValueError('as it is')", "{}\n")
    assert json.loads(done.stdout) == {"error": "ValueError: as it is"}
    assert "error" in json.loads(run("def handle(request): return {}", "no json\n").stdout)


def test_end_of_input_is_no_request() -> None:
    done = run("def handle(request): raise SystemExit(9)", "")
    assert (done.returncode, done.stdout) == (0, "")
