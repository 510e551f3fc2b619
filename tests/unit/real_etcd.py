# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real etcd of the tests: members on loopback, by TLS, with users as role register_etcd makes them."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import guard
from programs import program

FILES = Path(__file__).parents[2] / "roles/register_etcd/files"
CERTIFICATES = Path(__file__).parents[2] / "roles/pg_cluster/files"
HOST = "127.0.0.1"
ROOT = "root's secret"
PASSWORDS = {"register_sky": "secret sky", "register_moon": "secret moon"}
ELECTION = 700  # ms, as role register_etcd has it
LIMIT = 60.0


class Etcd:
    """Its members, each a process of its own."""

    def __init__(self, root: Path, members: int = 3) -> None:
        self.root = root
        self.cafile = root / "ca.crt"
        self.names = [f"member{i}" for i in range(members)]
        ports = iter(_free_ports(2 * members))
        self.places = {name: (HOST, next(ports)) for name in self.names}
        self._peers = {name: f"https://{HOST}:{next(ports)}" for name in self.names}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        certificates(root)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """As skyha.conf has them."""
        return tuple(self.endpoint(name) for name in self.names)

    def endpoint(self, name: str) -> str:
        """A member's."""
        return "{}:{}".format(*self.places[name])

    def start(self, name: str) -> None:
        """Start a member; it may have been there before."""
        client = f"https://{self.endpoint(name)}"
        keys = {"cert-file": "member.crt", "key-file": "member.key"}
        settings = {
            **{"name": name, "data-dir": self.root / name},
            **{"listen-client-urls": client, "advertise-client-urls": client},
            **{"listen-peer-urls": self._peers[name], "initial-advertise-peer-urls": self._peers[name]},
            "initial-cluster": ",".join(f"{one}={url}" for one, url in self._peers.items()),
            **{f"{of}{key}": self.root / file for of in ("", "peer-") for key, file in keys.items()},
            **{"peer-trusted-ca-file": self.cafile, "heartbeat-interval": 100, "election-timeout": ELECTION},
            **{"logger": "zap", "log-outputs": "stderr", "bcrypt-cost": 4},  # a login costs no time
        }
        self._run(
            name, ["--pre-vote", "--peer-client-cert-auth", *(f"--{key}={value}" for key, value in settings.items())]
        )

    def start_by(self, name: str, settings: Path, place: tuple[str, int]) -> None:
        """Start a member by a file of settings."""
        self.places[name] = place
        self._run(name, ["--config-file", str(settings)])

    def _run(self, name: str, words: list[str]) -> None:
        with (self.root / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [program("etcd"), *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """Its host loses power, as far as a process can."""
        self._processes[name].kill()
        self._processes.pop(name).wait()

    @contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Their hosts hang: the kernel accepts, and nobody answers."""
        for name in names:
            self._processes[name].send_signal(signal.SIGSTOP)
        until = time.monotonic() + LIMIT
        # A thread that runs on another processor goes on for a moment.
        while not all(_stands_still(self._processes[name].pid) for name in names):
            assert time.monotonic() < until
        try:
            yield
        finally:
            for name in names:
                self._processes[name].send_signal(signal.SIGCONT)

    def again(self) -> None:
        """Start those that do not run, and wait until all answer."""
        for name in self.names:
            if name not in self._processes:
                self.start(name)
        self.answers()

    def lead(self, name: str) -> None:
        """Another leader, in good order."""
        members = self.root_call(name, "/v3/cluster/member/list", {})["members"]
        target = next(one["ID"] for one in members if one["name"] == name)
        self.call(self.leader(), "/v3/maintenance/transfer-leadership", {"targetID": target})

    def forget(self, name: str) -> None:
        """It is made anew, with nothing in it."""
        self.kill(name)
        shutil.rmtree(self.root / name)
        self.start(name)
        self.leader()
        self.make()

    def stop(self) -> None:
        """All of them, and for good."""
        for name in list(self._processes):
            self.kill(name)

    def leader(self) -> str:
        """Who leads, once it answers for that."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            for name in self._processes:
                try:
                    status = self.call(name, "/v3/maintenance/status", {})
                except OSError:
                    continue
                if status.get("leader", "0") == status["header"]["member_id"]:
                    return name
            time.sleep(0.1)
        raise AssertionError(
            f"no member leads: {(self.root / f'{next(iter(self._processes))}.log').read_text()[-2000:]}"
        )

    def answers(self, *names: str) -> None:
        """Wait until each of these (all) answers with a majority."""
        deadline = time.monotonic() + LIMIT
        for name in names or self.names:
            while True:
                try:
                    self.root_call(name, "/v3/kv/range", {"key": b64encode(b"x").decode()})
                    break
                except OSError:
                    assert time.monotonic() < deadline, f"{name} does not answer"
                    time.sleep(0.1)

    def make(self, **changes: Any) -> list[str]:
        """What the role's script says that it changed."""
        done = self.made(**changes)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def made(self, **changes: Any) -> subprocess.CompletedProcess[str]:
        """The role's script has run."""
        order = {
            "endpoint": next(iter(self.endpoints), ""),
            "cafile": str(self.cafile),
            "root_password": ROOT,
            "check": False,
            "passwords": PASSWORDS,
            **changes,
        }
        command = [sys.executable, str(FILES / "users.py")]
        done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, timeout=120)
        assert "secret" not in done.stdout + done.stderr
        return done

    def root_call(self, name: str, path: str, body: Mapping[str, Any]) -> Any:
        """As its superuser."""
        token = self.call(name, "/v3/auth/authenticate", {"name": "root", "password": ROOT})["token"]
        return self.call(name, path, body, token)

    def value(self, key: str) -> bytes | None:
        """What a key holds."""
        found = self.root_call(self.leader(), "/v3/kv/range", {"key": b64encode(key.encode()).decode()})
        return b64decode(found["kvs"][0]["value"]) if found.get("kvs") else None

    def put(self, key: str, value: bytes | None) -> None:
        """Write a key by hand; None: remove it."""
        place = {"key": b64encode(key.encode()).decode()}
        if value is None:
            self.root_call(self.leader(), "/v3/kv/deleterange", place)
        else:
            self.root_call(self.leader(), "/v3/kv/put", {**place, "value": b64encode(value).decode()})

    def call(self, name: str, path: str, body: Mapping[str, Any], token: str = "") -> Any:
        """One call of the gateway, by another client than the one under test."""
        request = urllib.request.Request(f"https://{self.endpoint(name)}{path}", json.dumps(body).encode())
        if token:
            request.add_header("Authorization", token)
        request.add_header("Grpc-Metadata-hasleader", "true")
        context = ssl.create_default_context(cafile=str(self.cafile))
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return json.load(answer)


@contextmanager
def served(members: int = 3, made: bool = True) -> Iterator[Etcd]:
    """An etcd with two clusters' users and no row."""
    root = Path(tempfile.mkdtemp(prefix=guard.prefix("etcd"), dir="/tmp"))
    etcd = Etcd(root, members)
    try:
        for name in etcd.names:
            etcd.start(name)
        etcd.leader()
        if made:
            etcd.make()
            etcd.answers()
        for user, password in PASSWORDS.items():
            (root / user).write_text(password + "\n")
        yield etcd
    finally:
        etcd.stop()
        shutil.rmtree(root, ignore_errors=True)


def section(etcd: Etcd, login: str = "register_sky") -> dict[str, Any]:
    """[register] of skyha.conf."""
    return {
        "engine": "etcd",
        "endpoints": etcd.endpoints,
        "cafile": str(etcd.cafile),
        "password_file": str(etcd.root / login),
        "user": login,
    }


def certificates(root: Path, address: str = HOST) -> None:
    """A CA of its own, and a certificate by the role's scripts."""
    script("ca.sh", root, "tests", 400, "false")
    request = script("request.sh", root, "member", address, "member", ca_of(root), "false")
    assert request
    put(root, script("sign.sh", root, address, 400, stdin=request))


def put(place: Path, certificate: str, stem: str = "member") -> None:
    """A new certificate and its key take their places, as the role has it."""
    (place / f"{stem}.crt").write_text(certificate)
    (place / f"{stem}.next.key").replace(place / f"{stem}.key")


def ca_of(root: Path) -> str:
    """The CA's certificate as the scripts are given it."""
    return b64encode((root / "ca.crt").read_bytes()).decode()


def script(name: str, *words: object, stdin: str = "") -> str:
    """What one of the scripts for certificates prints."""
    program("openssl")
    command = ["/bin/sh", str(CERTIFICATES / name), *map(str, words)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _stands_still(pid: int) -> bool:
    stats = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
