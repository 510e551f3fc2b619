# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What both skyhas tell each other: whose word counts, and what a promise grants. Both sides without a network; the tests are it."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import ECHO_FRESH
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Signs
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.datagram import Sign
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.talk import EVERY, SILENCE, Talk, Unproven

FAR = 1e9
PAST = 0.0


class Side:
    """One node's talk on its own clock, and what has left it so far."""

    def __init__(self, name: str, boot: str = "", now: float = 1000.0) -> None:
        peer = {"node1": "node2", "node2": "node1"}[name]
        self.now = now
        self.talk = Talk("sky", name, peer, boot or f"boot of {name}", now)
        self.sent: list[Sign] = []

    def says(self) -> Sign:
        """Its next datagram leaves, EVERY later."""
        self.now += EVERY
        sign = self.talk.next(self.now)
        self.talk.left(sign, self.now)
        self.sent.append(sign)
        return sign

    def hears(self, sign: Sign) -> bool:
        return self.talk.take(sign, self.now)

    @property
    def told(self) -> Signs:
        return self.talk.told()


def answered(one: Side, sign: Sign) -> Sign:
    """`one` does not believe this datagram; how it answers it."""
    told = one.told
    with pytest.raises(Unproven, match="brought back no mark of this skyha lately") as unproven:
        one.hears(sign)
    assert one.told == told
    one.now += 0.001
    return one.talk.answer(unproven.value.mark, one.now)


def refuses(one: Side, sign: Sign, reason: str) -> None:
    told = one.told
    with pytest.raises(ValueError, match=reason):
        one.hears(sign)
    assert one.told == told


def meet(one: Side, other: Side) -> None:
    """Neither knew the other."""
    other.hears(answered(one, other.says()))
    one.hears(other.says())


@pytest.fixture
def sides() -> tuple[Side, Side]:
    """node1 and node2, which have met; their clocks have nothing in common."""
    one, other = Side("node1"), Side("node2", now=7.0)
    meet(one, other)
    return one, other


class TestFirstContact:
    def test_each_believes_the_other_after_one_answer(self) -> None:
        one, other = Side("node1"), Side("node2", now=7.0)
        other.hears(answered(one, other.says()))
        assert other.told.heard_at == other.now
        assert one.told == Signs(), "it had no mark of its own back yet"
        one.hears(other.says())
        assert one.told.heard_at == one.now

    def test_an_answer_is_no_promise(self) -> None:
        one, other = Side("node1"), Side("node2")
        one.talk.promise(FAR)
        assert not answered(one, other.says()).is_promise
        assert one.told.promised_at is None

    @pytest.mark.parametrize(("took", "counts"), [(ECHO_FRESH - 0.01, True), (ECHO_FRESH + 0.01, False)])
    def test_mark_must_be_back_soon(self, took: float, counts: bool) -> None:
        one, other = Side("node1"), Side("node2")
        other.hears(answered(one, other.says()))
        late = other.says()
        one.now += took
        if counts:
            one.hears(late)
        else:
            answered(one, late)

    def test_mark_of_the_process_before_proves_nothing(self, sides: tuple[Side, Side]) -> None:
        """The boot is the same, so the clock is; but what this process has not given out may have been recorded."""
        one, other = sides
        other.hears(one.says())
        again = Side("node1", now=one.now + 0.05)
        other.hears(answered(again, other.says()))
        again.hears(other.says())
        assert again.told.heard_at == again.now


class TestSentAgain:
    """Whatever was recorded and is sent again changes nothing."""

    def test_within_the_boot_that_is_known(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        one.hears(other.says())
        for sign in other.sent:
            refuses(one, sign, "sent again, or overtaken")

    def test_of_a_boot_that_this_skyha_never_saw(self) -> None:
        """It is neither believed, nor is the peer that lives refused for it."""
        before = Side("node2", "an older boot", now=7.0)
        earlier = Side("node1")
        meet(earlier, before)
        before.talk.promise(FAR)
        before.talk.tell((3, 70), False)
        before.says()
        one, other = Side("node1", now=earlier.now + 1), Side("node2", now=3.0)
        for sign in before.sent:
            answered(one, sign)
        meet(one, other)
        for sign in before.sent:
            answered(one, sign)
        one.hears(other.says())
        assert (one.told.beat, one.told.promise) == (None, None)

    def test_of_the_boot_before(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        other.talk.promise(FAR)
        other.hears(one.says())
        one.hears(other.says())
        newest = other.says()  # recorded, and never delivered
        again = Side("node2", "the next boot", now=0.0)
        again.hears(answered(one, again.says()))
        one.hears(again.says())
        for sign in [*other.sent, newest]:
            answered(one, sign)
        one.hears(again.says())

    def test_answering_it_keeps_the_peer_that_lives_from_nothing(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        answer = answered(one, Side("node2", "an older boot").says())
        other.hears(answer)
        assert other.told.promise is None
        one.talk.promise(FAR)
        one.hears(other.says())
        sign = one.says()
        assert (sign.is_promise, sign.echo) == (True, other.now)

    def test_after_a_restart_of_skyha_here(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        other.talk.promise(FAR)
        for _ in range(3):
            other.hears(one.says())
            one.hears(other.says())
        again = Side("node1", now=one.now + 0.05)
        for sign in other.sent:
            answered(again, sign)
        assert again.told == Signs()


class TestBoots:
    def test_new_boot_counts_as_soon_as_it_brings_a_mark_back(self, sides: tuple[Side, Side]) -> None:
        one, _other = sides
        again = Side("node2", "the next boot", now=0.0)
        first = again.says()
        answer = answered(one, first)
        assert (answer.echoed_boot, answer.echo) == ("the next boot", first.mark)
        again.hears(answer)
        one.hears(again.says())
        one.talk.promise(FAR)
        assert one.says().echoed_boot == "the next boot"

    def test_restart_of_the_peers_skyha_is_no_new_boot(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        again = Side("node2", now=other.now + 0.05)
        one.hears(again.says())
        assert one.told.heard_at == one.now


class TestPromisesThatThisNodeGives:
    def test_each_mark_once(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        one.talk.promise(FAR)
        one.hears(other.says())
        assert one.says().is_promise
        assert one.told.promised_at == one.now
        at = one.now
        assert [one.says().is_promise for _ in range(2)] == [False, False], "the peer is silent"
        assert one.told.promised_at == at
        one.hears(other.says())
        one.hears(other.says())
        sign = one.says()
        assert (sign.is_promise, sign.echo) == (True, other.now)

    def test_none_before_there_is_a_mark(self) -> None:
        one = Side("node1")
        one.talk.promise(FAR)
        assert not one.says().is_promise
        assert one.told.promised_at is None

    def test_not_after_their_time_nor_when_taken_back(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        one.hears(other.says())
        assert not one.says().is_promise
        one.talk.promise(one.now + 1.5 * EVERY)
        assert one.says().is_promise
        one.hears(other.says())
        assert not one.says().is_promise, "its time is over"
        one.talk.promise(FAR)
        assert one.says().is_promise
        one.hears(other.says())
        one.talk.promise(PAST)
        sign = one.says()
        assert not sign.is_promise
        assert sign.echo == other.now, "the mark is brought back all the same"

    def test_one_counts_from_when_it_has_left(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        one.talk.promise(FAR)
        one.hears(other.says())
        sign = one.talk.next(one.now)
        assert one.told.promised_at is None
        one.talk.left(sign, one.now + 5)
        assert one.told.promised_at == one.now + 5


class TestPromisesThatThisNodeGets:
    def test_the_largest_mark_that_came_back_as_a_promise(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        boot = one.says().boot
        promises = Sign("sky", "node2", "boot of node2", other.now, boot, 990.0, True)
        one.hears(promises._replace(mark=other.now + 1))
        assert one.told.promise == 990.0
        one.hears(promises._replace(mark=other.now + 2, echo=980.0))
        assert one.told.promise == 990.0, "it was long on its way"
        one.hears(promises._replace(mark=other.now + 3, echo=999.0, is_promise=False))
        one.hears(promises._replace(mark=other.now + 4, echo=999.0, echoed_boot="the boot before"))
        assert one.told.promise == 990.0
        one.hears(promises._replace(mark=other.now + 5, echo=995.0))
        assert (one.told.promise, one.told.heard_at) == (995.0, one.now)

    @pytest.mark.parametrize("is_promise", [True, False])
    def test_mark_that_was_not_given_out_yet_is_none(self, sides: tuple[Side, Side], is_promise: bool) -> None:
        one, other = sides
        sign = other.says()._replace(echoed_boot="boot of node1", echo=one.now + 1, is_promise=is_promise)
        refuses(one, sign, "not given out yet")


class TestWhatIsNotThePeers:
    @pytest.mark.parametrize(
        ("what", "reason"),
        [
            ({"cluster": "ground"}, "of cluster 'ground'"),
            ({"sender": "node3"}, "of node 'node3'"),
            ({"sender": "node1", "boot": "boot of node1"}, "of node 'node1'"),
        ],
    )
    def test_it_is_refused(self, sides: tuple[Side, Side], what: dict[str, str], reason: str) -> None:
        one, other = sides
        refuses(one, other.says()._replace(**what), reason)


class TestStopped:
    """What a skyha says of its PostgreSQL: it is stopped by a signal."""

    def test_it_counts_from_its_newest_word_on_and_until_it_says_otherwise(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        other.talk.tell(None, True)
        for _ in range(2):
            one.now += EVERY
            one.hears(other.says())
            assert one.told.stopped_at == one.now
        other.talk.tell(None, False)
        one.hears(other.says())
        assert one.told.stopped_at is None


class TestNews:
    def test_beat_counts_from_when_it_was_told_first(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        assert (one.told.beat, one.told.beat_at) == (None, None)
        other.talk.tell((3, 70), False)
        one.hears(other.says())
        at = one.now
        one.now += 1
        one.hears(other.says())
        other.talk.tell(None, False)
        one.hears(other.says())
        assert (one.told.beat, one.told.beat_at) == ((3, 70), at)
        other.talk.tell((4, 71), False)
        one.hears(other.says())
        assert (one.told.beat, one.told.beat_at) == ((4, 71), one.now)

    def test_another_holder_is_news_and_a_beat_is_not(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        news = []
        for beat in ((3, 70), (3, 71), (4, 72), None, (4, 73)):
            other.talk.tell(beat, False)
            news.append(one.hears(other.says()))
        assert news == [False, False, True, False, False]

    def test_silence_is_told_once(self, sides: tuple[Side, Side]) -> None:
        one, other = sides
        assert not one.talk.falls_silent(one.now + SILENCE)
        assert [one.talk.falls_silent(one.now + SILENCE + 0.01) for _ in range(2)] == [True, False]
        one.hears(other.says())
        assert one.talk.falls_silent(one.now + SILENCE + 0.01)
        assert not Side("node1").talk.falls_silent(FAR), "it was never heard"
