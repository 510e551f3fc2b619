# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The status page: one HTML document, no script, nothing loaded from anywhere, refreshed by the browser itself."""

from __future__ import annotations

import time

from ..alarms import ALARMS, Severity
from ..alarms import of as meaning_of
from .drawing import OLD, drawing
from .markup import escape
from .published import NO_BMC, Bmc, Register, Status
from .status import STALE_AFTER, failover_works, is_well, role_text, wanting

REFRESH = 5
NEWEST_EVENTS = 12
WAITING = 1.0  # seconds that commits have waited for the standby; below that it is only how replication goes
ABSENT = (
    "-",
    "",
)  # the cell of a row that only the other node has: they are configured differently, or of two versions
_HELD = {True: "up here", False: "not here", None: "not known to be here"}
_WORST = {"bad": "Critical", "warn": "Warning", "good": "Well"}

STYLE = """
:root{--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5b6675;--edge:#d5dae1;--good:#157a48;--warn:#9a6200;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--bg:#14181e;--card:#1d232b;--ink:#e6eaf0;--soft:#9aa6b5;--edge:#38414d;--good:#56c48c;
--warn:#e0a83c;--bad:#ff8a80}}
*{box-sizing:border-box}body{margin:0;padding:1rem;background:var(--bg);color:var(--ink);font:16px/1.45 system-ui,sans-serif}
main{max-width:68rem;margin:auto}h1{font-size:1.25rem;margin:0}h2{font-size:1rem;margin:0 0 .5rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;margin-bottom:.75rem}header p{margin:0;color:var(--soft)}
.banner{border-left:6px solid;padding:.6rem .9rem;margin:0 0 1rem;background:var(--card);border-radius:4px;overflow-wrap:anywhere}
.banner>b{display:block}.banner ul{list-style:none;padding:0}.banner li{padding:.3rem 0}.banner li+li{border-top:1px solid var(--edge)}
.next{display:block;color:var(--soft)}dt{font-weight:600;margin-top:.9rem}dd{margin:.1rem 0 0}.grid{display:grid;gap:1rem;grid-template-columns:1fr}
.stack{display:flex;flex-direction:column;gap:1rem;min-width:0}a{color:inherit}
@media(min-width:52rem){.grid{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}.stack section:last-child{flex:1}}
.wide{grid-column:1/-1}section{background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:.9rem;min-width:0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;
overflow-wrap:anywhere}th{font-weight:500;color:var(--soft);width:9.5rem;overflow-wrap:break-word}
thead th{color:var(--ink);width:auto}.both th{width:6.5rem}
@media(max-width:30rem){th{width:7rem}.both th{width:5.5rem}.both{font-size:.9rem}}
ul{margin:0;padding-left:1.1rem}li{overflow-wrap:anywhere}
.events{list-style:none;padding:0}.events li{padding:.25rem 0;border-top:1px solid var(--edge)}.events li:first-child{border:0}
time,.soft{color:var(--soft)}time{font-variant-numeric:tabular-nums;margin-right:.5rem;white-space:nowrap}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.dim{color:var(--soft)}
svg{display:block;width:100%;max-width:30rem;margin:auto;height:auto}svg text{text-anchor:middle;fill:var(--ink);font-size:13px}
svg .name{font-weight:600}svg .small{font-size:12px;fill:var(--soft)}svg .role{font-weight:600;font-size:14px;fill:currentColor}
svg .here{fill:var(--soft)}.box rect{fill:var(--bg);stroke:currentColor;stroke-width:2}.vip rect{fill:var(--ink)}
svg .vip text{fill:var(--card)}.way{stroke:currentColor;stroke-width:2}.way.bad{stroke-dasharray:3 4}.way.warn{stroke-dasharray:8 4}
.way.dim{stroke-dasharray:1 4}.tip{fill:currentColor}.halo{paint-order:stroke;stroke:var(--card);stroke-width:5px}
"""


def page(status: Status, age: float) -> str:
    """The document; `age`: seconds since the last completed cycle."""
    kind, headline, more = _verdict(status, age)
    body = [_header(status), f'<div class="banner {kind}"><b>{escape(headline)}</b>{more}</div>']
    if status.has_looked:
        body.append('<div class="grid">')
        body.append(f"<section><h2>Cluster</h2>{drawing(status)}</section>")
        # In the order in which they are asked for: that is how a narrow page shows them.
        body.append(f'<div class="stack"><section><h2>If the primary died now</h2>{_readiness(status)}</section>')
        body.append(f"<section><h2>Ways to the primary</h2>{_table(_paths(status))}</section></div>")
        body.append(f'<section class="wide"><h2>Nodes</h2>{_nodes(status)}</section>')
        body.append(
            f'<section class="wide"><h2>Last events on {escape(status.place.node)}</h2>{_events(status)}</section>'
        )
        body.append("</div>")
    place = f"{status.place.cluster or 'skyha'}, {status.place.node or '?'}"
    return _document(
        f"{_WORST[kind]}: {headline} - {place}", "".join(body), f'<meta http-equiv="refresh" content="{REFRESH}">'
    )


def alarms_page() -> str:
    """Every alarm code with its meaning and its next step, for where docs/alarms.md is not at hand."""
    entries = "".join(
        f'<dt id="{escape(code)}">{escape(code)} <span class="{_kind(code)}">{alarm.severity.value}</span></dt>'
        f'<dd>{escape(alarm.meaning)}<span class="next">Next: {escape(alarm.next)}.</span></dd>'
        for code, alarm in ALARMS.items()
    )
    top = '<header><h1>Alarms</h1><p><a href="/">the cluster now</a></p></header>'
    return _document("Alarms of skyha", f"{top}<section><dl>{entries}</dl></section>", "")


def _document(title: str, body: str, more: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{more}'
        f"<style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _header(status: Status) -> str:
    run, place = status.run, status.place
    written, since = _clock(run.written, "%Y-%m-%d %H:%M:%S %Z"), _clock(run.started, "%Y-%m-%d %H:%M")
    return (
        f"<header><h1>{escape(place.cluster or 'skyha')}</h1><p>{escape(place.node)}, {written}</p>"
        f"<p>skyha {escape(run.version)}, {escape(place.profile)}, runs since {since}</p></header>"
    )


def _verdict(status: Status, age: float) -> tuple[str, str, str]:
    """(kind, the headline, what follows it as HTML): what is worst now, of both nodes."""
    sentence = escape(status.run.sentence)
    if status.run.state != "running":
        items = "".join(f"<li>{escape(problem)}</li>" for problem in status.run.problems)
        return "bad", f"skyha is {status.run.state}", sentence + (f"<ul>{items}</ul>" if items else "")
    if age > STALE_AFTER:
        return (
            "bad",
            f"skyha has not completed a cycle for {age:.0f} s",
            f"What stands below may no longer be so. {sentence}",
        )
    alarms = _all_alarms(status)
    listed = f"<ul>{''.join(html for _kind, html in alarms)}</ul>" if alarms else ""
    for one in _now(status):
        if one.verdict.intent:
            return (
                "bad",
                f"{one.place.node}: {one.verdict.intent.stage}".replace("_", " "),
                escape(one.run.sentence) + listed,
            )
        if one.verdict.trouble:
            return "bad", "The primary shows no life", escape(one.run.sentence) + listed
    if alarms:
        bad = sum(kind == "bad" for kind, _html in alarms)
        count = "1 alarm" if len(alarms) == 1 else f"{len(alarms)} alarms"
        return "bad" if bad else "warn", count + (f", {bad} critical" if bad and len(alarms) > 1 else ""), listed
    if not is_well(status):
        return "warn", wanting(status), sentence
    return "good", "All is well", sentence


def _all_alarms(status: Status) -> list[tuple[str, str]]:
    """The alarms of both nodes, the worst first: (kind, HTML)."""
    found = []
    for one in _now(status):
        for code, text in one.verdict.alarms.items():
            told = one.verdict.codes.get(code)
            since = "" if told is None or told.for_ is None else f", for {_duration(told.for_)}"
            found.append(
                (
                    _kind(code),
                    f'<li><b class="{_kind(code)}">{meaning_of(code).severity.value}</b>{since} on {escape(one.place.node)}: '
                    f'{escape(text)}<span class="next">Next: {escape(meaning_of(code).next)} '
                    f'(<a href="/alarms#{escape(code)}">{escape(code)}</a>)</span></li>',
                )
            )
    return sorted(found, key=lambda item: item[0] != "bad")


def _kind(code: str) -> str:
    return "bad" if meaning_of(code).severity is Severity.CRITICAL else "warn"


def _now(status: Status) -> list[Status]:
    """What this node's skyha says, and the peer's where that is of now."""
    told = status.around.peer_status.now
    return [status] if told is None else [status, told]


def _readiness(status: Status) -> str:
    told = status.around.peer_status
    standby = status if status.postgres.role == "standby" else told.now
    works = failover_works(status)
    if status.verdict.is_under_way:
        text = f'<p class="bad"><b>Under way.</b> {escape(status.run.sentence)}</p>'
    elif status.postgres.role not in ("primary", "standby"):
        text = "<p>This node is neither a running primary nor a running standby.</p>"
    elif works is None or standby is None:
        why = told.problem or f"{status.place.peer} is no standby now"
        text = f'<p class="warn"><b>Not known.</b> Only {escape(status.place.peer)} could say it: {escape(why)}.</p>'
    elif works:
        text = f'<p class="good"><b>Armed.</b> {escape(standby.place.node)} would fence {escape(standby.place.peer)} and take over.</p>'
    else:
        items = "".join(f"<li>{escape(reason)}</li>" for reason in standby.verdict.not_armed.values())
        text = f'<p class="bad"><b>Not armed.</b> {escape(standby.place.node)} would not take over:</p><ul>{items}</ul>'
    last = status.verdict.failover.last
    if last is None:
        return text + f'<p class="soft">No failover to {escape(status.place.node)} is on record.</p>'
    phases = ", ".join(f"{escape(phase)} {seconds:.2f} s" for phase, seconds in last.phases.items())
    noted = "" if status.verdict.failover.noted else " <b>It was not acknowledged (skyctl acknowledge).</b>"
    return text + (
        f'<p class="soft">Last failover to {escape(status.place.node)}: {_clock(last.wall, "%Y-%m-%d %H:%M:%S")}, '
        f"{last.seconds:.2f} s ({phases}).{noted}</p>"
    )


def _paths(status: Status) -> list[tuple[str, str, str]]:
    rows = []
    for name, path in status.around.paths.by_name.items():
        if path.sight is None:
            rows.append((name, "not looked at yet", "dim"))
            continue
        text = path.sight + (f": {path.detail}" if path.detail else "")
        if path.latency is not None:
            text += f", {path.latency * 1000:.1f} ms"
        ok = "never" if path.ok_age is None else f"{_duration(path.ok_age)} ago"
        kind = {"ok": "good", "alive": "warn", "sick": "warn", "unknown": "warn"}.get(path.sight, "bad")
        rows.append((name, *_dated(f"{text}; last heartbeat {ok}", kind, path.age)))
    seen = status.around.peer_seen
    if seen is not None:
        role = "" if seen.role == "unknown" else f"{seen.role}, "
        text = f"{role}{seen.server}" + (f": {seen.detail}" if seen.detail else "")
        rows.append((f"{status.place.peer} itself", *_dated(text, "good" if seen.server == "up" else "bad", seen.age)))
    return rows


def _dated(text: str, kind: str, age: float | None) -> tuple[str, str]:
    """What was seen, with its age and its colour: what is old is grey, since it says nothing of now."""
    if age is None:
        return text, "dim"
    return f"{text}; looked at {_duration(age)} ago", kind if age <= OLD else "dim"


def _nodes(status: Status) -> str:
    """Both nodes side by side; grey and dated where the peer's skyha was not heard lately."""
    told = status.around.peer_status
    columns = [(f"{status.place.node} (here)", dict(_facts(status)))]
    if told.status is not None and told.status.has_looked:
        facts = dict(_facts(told.status))
        if told.problem:
            facts = {name: (text, "dim") for name, (text, _kind) in facts.items()}
        columns.append(
            (f"{status.place.peer}" + (f", {_duration(told.age or 0.0)} ago" if told.problem else ""), facts)
        )
    columns.sort(key=lambda column: column[0])
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name, _rows in columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(
            f'<td class="{kind}">{escape(text)}</td>'
            for text, kind in (facts.get(name, ABSENT) for _node, facts in columns)
        )
        + "</tr>"
        for name in dict.fromkeys(name for _node, facts in columns for name in facts)
    )
    missing = f'<p class="warn">{escape(status.place.peer)}: {escape(told.problem)}.</p>' if told.problem else ""
    return f'<table class="both"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>{missing}'


def _facts(status: Status) -> list[tuple[str, tuple[str, str]]]:
    """The rows of one node: name, (text, kind)."""
    here, vip, bmc = status.postgres, status.around.vip, status.around.bmc
    register = status.around.register
    lag = "unknown" if here.lag.seconds is None else f"{here.lag.seconds:.1f} s, {bytes_text(here.lag.bytes)}"
    armed = {True: ("yes", "good"), False: ("no", "bad"), None: ("-", "")}[status.verdict.armed]
    if status.verdict.is_under_way:
        armed = ("under way", "bad")
    return [
        ("Role", (role_text(status), "")),
        (
            "PostgreSQL",
            (here.server + (f": {here.detail}" if here.detail else ""), "good" if here.server == "up" else "bad"),
        ),
        ("Timeline", (str(here.timeline or "unknown"), "")),
        ("Replication", replication(status)),
        ("Zero loss", zero_loss_text(status)),
        ("Lag", ("-", "") if here.role != "standby" else (lag, "" if status.keeps_up else "bad")),
        ("VIP", (f"{vip.address} {_HELD[vip.held]}", "")),
        ("Armed", armed),
        ("Paused", (_pause(status), "warn" if status.verdict.paused.on else "")),
        ("Peer's BMC", (bmc_text(bmc), "bad" if bmc.error else "" if bmc.ok_age is None else "good")),
        *([("Register", register_text(register)), ("Lease", lease_text(register))] if register is not None else []),
        *([("Backup", backup_text(status))] if has_backup(status) else []),
    ]


def zero_loss_text(status: Status) -> tuple[str, str]:
    """Whether anything that was acknowledged could be lost, and its kind."""
    here = status.postgres.replication
    lasts = "" if here.for_ is None else f", for {_duration(here.for_)}"
    if here.mode != "zero_loss":
        return {"": ("not known", ""), "async": ("off", "")}.get(here.mode, (here.mode, ""))
    if here.waiting is not None and here.waiting > WAITING:
        return f"commits wait, {here.waiting:.1f} s", "bad"
    if here.protected is not None:
        return ("protected" + lasts, "good") if here.protected else ("NOT protected" + lasts, "bad")
    if here.heir is not None:
        return ("the heir", "good") if here.heir else ("not the heir" + lasts, "bad")
    return ("on", "") if status.postgres.server != "up" else ("not known", "warn")


def register_text(register: Register) -> tuple[str, str]:
    """Who may write, and its kind."""
    if register.problem or register.holder is None:
        return f"no answer: {register.problem or 'none yet'}", "bad"
    heir = f"heir {register.heir}" if register.heir else "no heir"
    by = " (etcd)" if register.engine == "etcd" else ""
    return f"holder {register.holder}, {heir}{by}", "" if register.heir else "warn"


def lease_text(register: Register) -> tuple[str, str]:
    """Whether the heir may take over by time, what is left of the holder's lease, and its watchdog."""
    lease = register.lease
    if lease is None:
        return "none", ""
    if lease.watchdog_problem:
        return "none: the watchdog cannot be used", "warn"
    if not lease.term:
        return "none now", ""
    if lease.left is not None:
        return f"{lease.left:.1f} s left, watchdog {lease.watchdog}", "good" if lease.left > 0 else "bad"
    return f"{lease.term:g} s of the holder", "good"


def has_backup(status: Status) -> bool:
    """Are backups configured on that node?"""
    told = status.around.backup
    return told is not None and (told.report is None or bool(told.report.stanza))


def backup_text(status: Status) -> tuple[str, str]:
    """How old the newest backup is, what was archived last and when a backup was last tried by a restore, and how good that is."""
    told, wall = status.around.backup, status.run.written
    raised = [meaning_of(code) for code in status.verdict.alarms if meaning_of(code).check == "check_sky_backup"]
    kind = "good" if not raised else "bad" if any(one.severity is Severity.CRITICAL for one in raised) else "warn"
    if told is None or told.report is None or told.problem:
        return "not known", "warn"
    repository, archiver = told.report.repository, told.report.archiver
    if repository is None or (repository.error and repository.newest is None):
        return "not known", "warn"
    newest = repository.newest
    words = ["none yet" if newest is None else f"{newest.kind} {_duration(max(0.0, wall - newest.stop))}"]
    if archiver is not None and not archiver.in_recovery:
        at = archiver.done.at
        words.append("WAL never" if at is None else f"WAL {_duration(max(0.0, wall - at))}")
    tried = told.verified_at
    words.append("never tried" if tried is None else f"tried {_duration(max(0.0, wall - tried))}")
    return ", ".join(words), kind


def _events(status: Status) -> str:
    kinds = {"warning": "warn", "alarm": "bad"}
    rows = [
        f'<li><time>{_clock(event.wall, "%m-%d %H:%M:%S")}</time><span class="{kinds.get(event.level, "")}">'
        f"{escape(event.text)}</span></li>"
        for event in reversed(status.tally.events[-NEWEST_EVENTS:])
    ]
    return f'<ul class="events">{"".join(rows)}</ul>' if rows else '<p class="soft">None yet.</p>'


def _duration(seconds: float) -> str:
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="{kind}">{escape(text)}</td></tr>'
        for name, text, kind in rows
    )
    return f"<table>{cells}</table>"


def bmc_text(bmc: Bmc) -> str:
    """The state of the peer's BMC in words."""
    if bmc.power == NO_BMC:
        return "none"
    if bmc.error:
        return f"cannot be used: {bmc.error}"
    if bmc.ok_age is None:
        return "not asked yet"
    return f"answers, power {bmc.power}, {_duration(bmc.ok_age)} ago"


def _pause(status: Status) -> str:
    paused = status.verdict.paused
    if not paused.on:
        return "no"
    return "yes, until resumed" if paused.left is None else f"yes, for {paused.left:.0f} s more"


def replication(status: Status) -> tuple[str, str]:
    """Whether it streams, in words, and how good that is."""
    if status.postgres.streaming is None:
        return "not known", "warn"
    return ("streaming", "good") if status.postgres.streaming else ("not streaming", "bad")


def bytes_text(number: int | None) -> str:
    """Bytes for people."""
    if number is None:
        return "bytes unknown"
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"


def _clock(wall: float, pattern: str) -> str:
    return escape(time.strftime(pattern, time.localtime(wall)))
