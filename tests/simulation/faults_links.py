# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What breaks between the hosts: links, the vote host, BMCs, a stranger with the VIP."""

from __future__ import annotations

from .scene import Scene, Undo

LINKS = [("node1", "node2"), ("node1", "vote"), ("node2", "vote")]


def cut_link(scene: Scene) -> Undo:
    one, other = scene.chance.choice(LINKS)
    if scene.chance.random() < 0.5:
        one, other = other, one
    scene.world.cut(one, other, both=scene.chance.random() < 0.6)
    return lambda: scene.world.heal((one, other))


def isolate(scene: Scene) -> Undo:
    return _isolate(
        scene, scene.chance.choice(["node1", "node2", "vote"]) if scene.chance.random() < 0.5 else scene.host().name
    )


def standby_cut_off(scene: Scene) -> Undo:
    return _isolate(scene, scene.standby().name)


def _isolate(scene: Scene, name: str) -> Undo:
    scene.world.isolate(name)
    return lambda: scene.world.heal(*[(name, other) for other in ("node1", "node2", "vote") if other != name])


def switch_dies(scene: Scene) -> Undo:
    for one, other in LINKS:
        scene.world.cut(one, other)

    def undo() -> None:
        pairs = list(LINKS)
        scene.chance.shuffle(pairs)  # ports come up one after the other
        for number, pair in enumerate(pairs):
            scene.world.kernel.after(number * scene.chance.choice([0.0, 0.5, 4.0]), scene.world.heal, pair)

    return undo


def loss(scene: Scene) -> Undo:
    scene.world.network.loss = scene.chance.choice([0.1, 0.3, 0.5])

    def undo() -> None:
        scene.world.network.loss = 0.0

    return undo


def alien(scene: Scene) -> Undo:
    scene.world.network.alien = True
    scene.world.changed()

    def undo() -> None:
        scene.world.network.alien = False

    return undo


def vote(scene: Scene) -> Undo:
    vote = scene.world.network.vote
    if scene.chance.random() < 0.3:
        vote.power = False
    else:
        vote.proxy = scene.chance.choice(["down", "refused", "hung"])
    scene.world.tell("vote", f"power {vote.power}, proxy {vote.proxy}")
    scene.world.changed()

    def undo() -> None:
        vote.power, vote.proxy = True, "ok"
        scene.world.changed()

    return undo


def bmc(scene: Scene) -> Undo:
    name = scene.host().name
    bmc = scene.world.bmcs[name]
    kind = scene.chance.choice(["up", "password_ok", "acts", "slow", "takes long"])
    if kind == "acts" and scene.world.config(name).fence.action == "reset":
        kind = "up"  # a reset cannot be read back: the weaker proof, said so in the docs
    if kind == "slow":
        bmc.latency = scene.chance.choice([1.0, 3.0])
    elif kind == "takes long":
        bmc.takes = scene.chance.choice([1.0, 3.0, 9.0, 14.0, 60.0])
    else:
        setattr(bmc, kind, False)
    scene.world.tell(f"bmc{name[-1]}", f"breaks: {kind}")

    def undo() -> None:
        bmc.up = bmc.password_ok = bmc.acts = True
        bmc.latency = bmc.takes = 0.05

    return undo


def cut_bmc(scene: Scene) -> Undo:
    host = scene.host()
    pair = (host.peer.name, f"bmc{host.name[-1]}")
    scene.world.cut(*pair)
    return lambda: scene.world.heal(pair)


def register(scene: Scene) -> Undo:
    register = scene.world.register
    register.state = scene.chance.choice(["down", "hung", "full"])
    scene.world.tell("register", register.state)

    def undo() -> None:
        register.state = "ok"

    return undo


def register_late(scene: Scene) -> Undo:
    """Questions arrive late: those that nobody waits for any more as well."""
    register = scene.world.register
    register.late = scene.chance.choice([0.2, 0.7, 3.0])
    scene.world.tell("register", f"questions take {register.late} s more")

    def undo() -> None:
        register.late = 0.0

    return undo


def datagrams_late(scene: Scene) -> Undo:
    scene.world.network.late = scene.chance.choice([0.3, 2.0, 8.0])

    def undo() -> None:
        scene.world.network.late = 0.0

    return undo


def datagrams_again(scene: Scene) -> Undo:
    """What was recorded is sent again, over whatever happens meanwhile."""
    network = scene.world.network
    network.again = tuple(network.recorded)

    def undo() -> None:
        network.again = ()

    return undo
