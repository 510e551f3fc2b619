# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is there an etcd that skyha can lean on? Says so before skyha is told of it, with status 0, or 1 and what is wrong.

One member that answers for a majority is enough: another may be down at this moment. Reads from stdin, as JSON: endpoints, cafile, user,
password, cluster."""

from __future__ import annotations

import base64
import json
import ssl
import sys
import urllib.error
import urllib.request


def call(given: dict, endpoint: str, path: str, body: dict, token: str = "") -> dict:
    """One call of a member's JSON gateway."""
    request = urllib.request.Request(f"https://{endpoint}/v3/{path}", json.dumps(body).encode())
    request.add_header("Grpc-Metadata-hasleader", "true")
    if token:
        request.add_header("Authorization", token)
    context = ssl.create_default_context(cafile=given["cafile"])
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with direct.open(request, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            text = json.loads(text).get("message", text)
        except ValueError:
            pass
        raise OSError(text.strip()[:200] or f"HTTP status {error.code}") from None


def problem(given: dict, endpoint: str) -> str:
    """What is wrong with this member; empty where nothing is."""
    key = base64.b64encode(f"/sky.pg_cluster/{given['cluster']}/row".encode()).decode()
    beside = base64.b64encode(b"/sky.pg_cluster/").decode()
    try:
        login = {"name": given["user"], "password": given["password"]}
        token = call(given, endpoint, "auth/authenticate", login)["token"]
        call(given, endpoint, "kv/range", {"key": key}, token)
        # A transaction that changes nothing: whoever may read and not write is told so.
        never = {"key": key, "target": "CREATE", "result": "LESS", "create_revision": "0"}
        put = {"request_put": {"key": key, "value": ""}}
        call(given, endpoint, "kv/txn", {"compare": [never], "success": [put]}, token)
    except (OSError, ValueError, KeyError) as error:
        return f"{error}"
    try:
        call(given, endpoint, "kv/range", {"key": beside}, token)
    except OSError:
        return ""
    return f"its user {given['user']} may read the keys of other clusters: give it only those that begin with /sky.pg_cluster/{given['cluster']}/"


def main() -> int:
    """Look, and say it."""
    given, found = json.load(sys.stdin), []
    for endpoint in given["endpoints"]:
        why = problem(given, endpoint)
        if not why:
            return 0
        found.append(f"{endpoint}: {why}")
    print(f"the etcd (user {given['user']}): {'; '.join(found)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
