# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The status page: one HTML document, no script, nothing loaded from anywhere, refreshed by the browser itself."""

from __future__ import annotations

import time
from html import escape
from typing import Any

from .drawing import drawing
from .status import STALE_AFTER, Snapshot, is_well, role_text

REFRESH = 5
NEWEST_EVENTS = 12
_HELD = {True: "is up here", False: "is not here", None: "is not known to be here"}

STYLE = """
:root{--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5b6675;--edge:#d5dae1;--good:#157a48;--warn:#9a6200;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--bg:#14181e;--card:#1d232b;--ink:#e6eaf0;--soft:#9aa6b5;--edge:#38414d;--good:#56c48c;
--warn:#e0a83c;--bad:#ff8a80}}
*{box-sizing:border-box}body{margin:0;padding:1rem;background:var(--bg);color:var(--ink);font:16px/1.45 system-ui,sans-serif}
main{max-width:68rem;margin:auto}h1{font-size:1.25rem;margin:0}h2{font-size:1rem;margin:0 0 .5rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;margin-bottom:.75rem}header p{margin:0;color:var(--soft)}
.banner{border-left:6px solid;padding:.6rem .9rem;margin:0 0 1rem;background:var(--card);border-radius:4px;overflow-wrap:anywhere}
.banner b{display:block}.grid{display:grid;gap:1rem;grid-template-columns:1fr}
.stack{display:flex;flex-direction:column;gap:1rem;min-width:0}a{color:inherit}
@media(min-width:52rem){.grid{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}.stack section:last-child{flex:1}}
section{background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:.9rem;min-width:0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;
overflow-wrap:anywhere}th{font-weight:500;color:var(--soft);width:9.5rem;overflow-wrap:break-word}
@media(max-width:30rem){th{width:7rem}}ul{margin:0;padding-left:1.1rem}li{overflow-wrap:anywhere}
.events{list-style:none;padding:0}.events li{padding:.25rem 0;border-top:1px solid var(--edge)}.events li:first-child{border:0}
time,.soft{color:var(--soft)}time{font-variant-numeric:tabular-nums;margin-right:.5rem;white-space:nowrap}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.dim{color:var(--soft)}
svg{display:block;width:100%;max-width:30rem;margin:auto;height:auto}svg text{text-anchor:middle;fill:var(--ink);font-size:13px}
svg .name{font-weight:600}svg .small{font-size:12px;fill:var(--soft)}svg .role{font-weight:600;font-size:14px;fill:currentColor}
svg .here{fill:var(--soft)}.box rect{fill:var(--bg);stroke:currentColor;stroke-width:2}.vip rect{fill:var(--ink)}
svg .vip text{fill:var(--card)}.way{stroke:currentColor;stroke-width:2}.way.bad{stroke-dasharray:3 4}.way.warn{stroke-dasharray:8 4}
.way.dim{stroke-dasharray:1 4}.tip{fill:currentColor}.halo{paint-order:stroke;stroke:var(--card);stroke-width:5px}
"""


def page(status: Snapshot, age: float) -> str:
    """The document; `age`: seconds since the last completed cycle."""
    title = f"{status.get('cluster', 'skyha')}: {status.get('node', '?')}"
    body = [_header(status), _banner(status, age)]
    if "role" in status:
        body.append('<div class="grid">')
        body.append(f"<section><h2>Cluster</h2>{drawing(status)}</section>")
        # In the order in which they are asked for: that is how a narrow page shows them.
        body.append(f'<div class="stack"><section><h2>If the primary died now</h2>{_readiness(status)}</section>')
        body.append(f"<section><h2>Ways to the primary</h2>{_table(_paths(status))}</section></div>")
        body.append(f"<section><h2>{escape(status['node'])}</h2>{_table(_facts(status))}</section>")
        body.append(f"<section><h2>Last events</h2>{_events(status)}</section>")
        body.append("</div>")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="refresh" content="{REFRESH}">'
        f"<style>{STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def _header(status: Snapshot) -> str:
    written = _clock(float(status.get("written", 0.0)), "%Y-%m-%d %H:%M:%S %Z")
    return (
        f"<header><h1>{escape(str(status.get('cluster', 'skyha')))}</h1><p>{escape(str(status.get('node', '')))}, "
        f"{written}, skyha {escape(str(status.get('version', '')))}</p></header>"
    )


def _banner(status: Snapshot, age: float) -> str:
    sentence = escape(str(status.get("sentence", "")))
    if status.get("state") != "running":
        items = "".join(f"<li>{escape(str(problem))}</li>" for problem in status.get("problems", ()))
        return f'<p class="banner bad"><b>skyha is {escape(str(status.get("state")))}</b>{sentence}</p>' + (
            f"<ul>{items}</ul>" if items else ""
        )
    if age > STALE_AFTER:
        return (
            f'<p class="banner bad"><b>skyha has not completed a cycle for {age:.0f} s</b>What stands below may no longer be '
            f"so. {sentence}</p>"
        )
    if status.get("intent"):
        return f'<p class="banner bad"><b>{escape(status["intent"]["stage"]).replace("_", " ")}</b>{sentence}</p>'
    if status.get("trouble"):
        return f'<p class="banner bad"><b>The primary shows no life</b>{sentence}</p>'
    alarms = status.get("alarms", {})
    if alarms:
        items = "".join(f"<li>{escape(str(text))}</li>" for text in alarms.values())
        word = "1 alarm" if len(alarms) == 1 else f"{len(alarms)} alarms"
        return f'<div class="banner warn"><b>{word}</b><ul>{items}</ul></div>'
    if not is_well(status):
        return f'<p class="banner warn"><b>{escape(_wanting(status))}</b>{sentence}</p>'
    return f'<p class="banner good"><b>All is well</b>{sentence}</p>'


def _wanting(status: Snapshot) -> str:
    """What is not as it should be, before it becomes an alarm."""
    if status.get("server") != "up":
        return f"PostgreSQL is {status.get('server', 'not looked at yet')}"
    if status.get("streaming") is None:
        return "Whether replication streams is not known"
    return "Replication does not stream" if not status["streaming"] else "Not armed"


def _facts(status: Snapshot) -> list[tuple[str, str, str]]:
    server, role, vip, bmc = status["server"], status["role"], status["vip"], status["bmc"]
    rows = [
        (
            "PostgreSQL",
            f"{role_text(status)}, {server}" + (f": {status['detail']}" if status["detail"] else ""),
            "good" if server == "up" else "bad",
        ),
        ("Timeline", str(status["timeline"] or "unknown"), ""),
        ("Replication", *replication(status)),
    ]
    if role == "standby":
        lag = status["lag"]
        rows.append(
            (
                "Lag",
                "unknown" if lag["seconds"] is None else f"{lag['seconds']:.1f} s, {_bytes(lag['bytes'])}",
                "" if lag["seconds"] is not None and lag["seconds"] <= status["limits"]["lag_seconds"] else "bad",
            )
        )
    rows += [
        ("WAL", ", ".join(f"{kind} {lsn_text(lsn)}" for kind, lsn in status["lsn"].items() if lsn), ""),
        ("VIP", f"{vip['address']} {_HELD[vip['held']]}", ""),
        ("Paused", _pause(status), "warn" if status["paused"]["on"] else ""),
        (f"BMC of {status['peer']}", bmc_text(bmc), "bad" if bmc["error"] else "" if bmc["ok_age"] is None else "good"),
        ("Timing", f"profile {status['profile']}", ""),
        ("skyha runs since", _clock(status["started"], "%Y-%m-%d %H:%M:%S"), ""),
    ]
    return [row for row in rows if row[1]]


def _readiness(status: Snapshot) -> str:
    if status["trouble"] or status["intent"]:
        text = f'<p class="bad"><b>Under way.</b> {escape(str(status["sentence"]))}</p>'
    elif status["armed"]:
        text = f'<p class="good"><b>Armed.</b> {escape(status["node"])} would fence {escape(status["peer"])} and take over.</p>'
    elif status["armed"] is False:
        items = "".join(f"<li>{escape(str(reason))}</li>" for reason in status["not_armed"].values())
        text = f'<p class="bad"><b>Not armed.</b> {escape(status["node"])} would not take over:</p><ul>{items}</ul>'
    elif status["role"] == "primary":
        streams = {True: "streams from here", False: "does not stream: nothing could take over"}.get(
            status["streaming"], "may stream or not: PostgreSQL here does not tell"
        )
        text = f"<p>This is the primary; its standby {escape(status['peer'])} {streams}. Whether it is armed stands on {_its_page(status)}.</p>"
    else:
        text = "<p>This node is neither a running primary nor a running standby.</p>"
    last = status["failover"]["last"]
    if last is None:
        return text + '<p class="soft">No failover to this node is on record.</p>'
    phases = ", ".join(f"{escape(phase)} {seconds:.2f} s" for phase, seconds in last["phases"].items())
    noted = "" if status["failover"]["noted"] else " <b>It was not acknowledged (skyctl acknowledge).</b>"
    return text + (
        f'<p class="soft">Last failover to this node: {_clock(last["wall"], "%Y-%m-%d %H:%M:%S")}, {last["seconds"]:.2f} s '
        f"({phases}).{noted}</p>"
    )


def _its_page(status: Snapshot) -> str:
    address = status["peer_http"]
    return f'<a href="http://{escape(address)}/">its own page</a>' if address else "its own page"


def _paths(status: Snapshot) -> list[tuple[str, str, str]]:
    rows = []
    for name, path in status["paths"].items():
        if path["sight"] is None:
            rows.append((name, "not looked at yet", "dim"))
            continue
        text = path["sight"] + (f": {path['detail']}" if path["detail"] else "")
        if path["latency"] is not None:
            text += f", {path['latency'] * 1000:.1f} ms"
        ok = "never" if path["ok_age"] is None else f"{path['ok_age']:.0f} s ago"
        kind = {"ok": "good", "alive": "warn", "sick": "warn", "unknown": "warn"}.get(path["sight"], "bad")
        rows.append((name, f"{text}; last heartbeat {ok}", kind))
    seen = status["peer_seen"]
    if seen is not None:
        role = "" if seen["role"] == "unknown" else f"{seen['role']}, "
        text = f"{role}{seen['server']}" + (f": {seen['detail']}" if seen["detail"] else "")
        rows.append(
            (
                f"{status['peer']} itself",
                f"{text}; {seen['age']:.0f} s ago",
                "good" if seen["server"] == "up" else "bad",
            )
        )
    return rows


def _events(status: Snapshot) -> str:
    kinds = {"warning": "warn", "alarm": "bad"}
    rows = [
        f'<li><time>{_clock(event["wall"], "%m-%d %H:%M:%S")}</time><span class="{kinds.get(event["level"], "")}">'
        f"{escape(str(event['text']))}</span></li>"
        for event in reversed(status["events"][-NEWEST_EVENTS:])
    ]
    return f'<ul class="events">{"".join(rows)}</ul>' if rows else '<p class="soft">None yet.</p>'


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="{kind}">{escape(text)}</td></tr>'
        for name, text, kind in rows
    )
    return f"<table>{cells}</table>"


def bmc_text(bmc: Any) -> str:
    """The state of the peer's BMC in words."""
    if bmc["error"]:
        return f"cannot be used: {bmc['error']}"
    if bmc["ok_age"] is None:
        return "not asked yet"
    return f"answers, power {bmc['power']}, {bmc['ok_age']:.0f} s ago"


def _pause(status: Snapshot) -> str:
    paused = status["paused"]
    if not paused["on"]:
        return "no"
    return "yes, until resumed" if paused["left"] is None else f"yes, for {paused['left']:.0f} s more"


def replication(status: Snapshot) -> tuple[str, str]:
    """Whether it streams, in words, and how good that is."""
    if status["streaming"] is None:
        return "not known", "warn"
    return ("streaming", "good") if status["streaming"] else ("not streaming", "bad")


def lsn_text(lsn: int) -> str:
    """A WAL position as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def _bytes(number: Any) -> str:
    if number is None:
        return "bytes unknown"
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"


def _clock(wall: float, pattern: str) -> str:
    return escape(time.strftime(pattern, time.localtime(wall)))
