# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes an etcd's users what they should be: root, and one per cluster that can touch only that cluster's keys. Prints what it changed.

Reads an order from stdin, as JSON: endpoint, cafile, root_password; check (only say it); passwords (user -> password); remove (users
that go, with their keys). A user is named register_CLUSTER, and its keys begin with /sky.pg_cluster/CLUSTER/.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import time
import urllib.error
import urllib.request

PREFIX = "register_"
PATIENCE = 60.0


class Refused(Exception):
    """The etcd said no."""


class Etcd:
    """One member's JSON gateway, as root once that has a password."""

    def __init__(self, order: dict) -> None:
        self.order = order
        self.token = ""
        context = ssl.create_default_context(cafile=order["cafile"])
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def call(self, path: str, **body: object) -> dict:
        """One call."""
        request = urllib.request.Request(f"https://{self.order['endpoint']}/v3/{path}", json.dumps(body).encode())
        request.add_header("Grpc-Metadata-hasleader", "true")
        if self.token:
            request.add_header("Authorization", self.token)
        try:
            with self.opener.open(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                text = json.loads(text).get("message", text)
            except ValueError:
                pass
            if error.code >= 500:
                raise OSError(text) from None  # no leader yet, perhaps
            raise Refused(text) from None

    def login(self, user: str, password: str) -> str:
        """A token; '': this is not the password."""
        try:
            return self.call("auth/authenticate", name=user, password=password)["token"]
        except Refused as error:
            if "invalid user ID or password" in str(error):
                return ""
            raise

    def has_users(self) -> bool:
        """Is a password asked for?"""
        try:
            self.call("kv/range", key=encoded("/"))
        except Refused:
            return True
        return False


def encoded(text: str) -> str:
    """As the gateway wants it."""
    return base64.b64encode(text.encode()).decode()


def places(user: str) -> dict:
    """The keys of the cluster that this user is of: all that begin with its prefix."""
    prefix = f"/sky.pg_cluster/{user[len(PREFIX) :]}/"
    return {"key": encoded(prefix), "range_end": encoded(prefix[:-1] + chr(ord("/") + 1))}


def waited(etcd: Etcd) -> bool:
    """Whether it asks for passwords, once a majority of the members is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return etcd.has_users()
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"the etcd at {etcd.order['endpoint']} does not answer: {error}") from None
            time.sleep(0.5)


def tolerant(etcd: Etcd, known: str, path: str, **body: object) -> None:
    """A call that was made by a run before this one, which broke off."""
    try:
        etcd.call(path, **body)
    except Refused as error:
        if known not in str(error):
            raise


def make_root(etcd: Etcd, has_users: bool) -> list[str]:
    """The superuser, and from then on nobody is let in without a password."""
    password = etcd.order["root_password"]
    if has_users:
        etcd.token = etcd.login("root", password)
        if not etcd.token:
            raise SystemExit(
                "the etcd's root has another password than pg_cluster_etcd_root_password: set the one that it has (or give it this one by "
                "'etcdctl user passwd root')"
            )
        return []
    if not etcd.order["check"]:
        tolerant(etcd, "already exists", "auth/user/add", name="root", password=password)
        etcd.call("auth/user/changepw", name="root", password=password)
        tolerant(etcd, "already exists", "auth/role/add", name="root")
        etcd.call("auth/user/grant", user="root", role="root")
        etcd.call("auth/enable")
        etcd.token = etcd.login("root", password)
    return ["made root, and passwords are asked for"]


def grant(etcd: Etcd, user: str) -> None:
    """A role of the user's name, with its keys; last of all the user gets it."""
    tolerant(etcd, "already exists", "auth/role/add", name=user)
    etcd.call("auth/role/grant", name=user, perm={"permType": "READWRITE", **places(user)})
    etcd.call("auth/user/grant", user=user, role=user)


def make_users(etcd: Etcd) -> list[str]:
    """Each cluster's user, which may touch its own keys."""
    users, said = etcd.call("auth/user/list").get("users", []), []
    for user, password in etcd.order["passwords"].items():
        if user not in users:
            said.append(f"made user {user}")
            if not etcd.order["check"]:
                etcd.call("auth/user/add", name=user, password=password)
                grant(etcd, user)
            continue
        if user not in etcd.call("auth/user/get", name=user).get("roles", []):  # a run broke off in between
            said.append(f"gave user {user} its keys")
            if not etcd.order["check"]:
                grant(etcd, user)
        if not etcd.login(user, password):
            said.append(f"gave a new password to user {user}")
            if not etcd.order["check"]:
                etcd.call("auth/user/changepw", name=user, password=password)
    return said


def remove_users(etcd: Etcd) -> list[str]:
    """Users that go, with their keys."""
    users, said = etcd.call("auth/user/list").get("users", []), []
    for user in etcd.order["remove"]:
        if user not in users:
            continue
        said.append(f"removed user {user} and its keys")
        if not etcd.order["check"]:
            etcd.call("auth/user/delete", name=user)  # first: nothing may write the key again
            etcd.call("auth/role/delete", role=user)
            etcd.call("kv/deleterange", **places(user))
    return said


def main() -> None:
    """Do what the order says."""
    order = {"passwords": {}, "remove": [], **json.load(sys.stdin)}
    etcd = Etcd(order)
    try:
        has_users = waited(etcd)
        said = make_root(etcd, has_users)
        if has_users or not order["check"]:
            said += make_users(etcd) + remove_users(etcd)
        else:
            said += [f"made user {user}" for user in order["passwords"]]
    except (Refused, OSError) as error:
        raise SystemExit(f"the etcd at {order['endpoint']} refuses: {error}") from None
    for line in said:
        print(line)


if __name__ == "__main__":
    main()
