"""The choice of a server for each episode, under everything that can happen to servers and calls."""

from __future__ import annotations

from contextlib import AbstractContextManager

import hypothesis.strategies as st
from hypothesis import given
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.role import Role
from play.picker import MOST_ABOVE, REST_SECONDS, Picker
from trajectory.pool import Member, MemberState, PoolTable, Replica

ADDRESSES = ("a:1", "b:1", "c:1", "d:1")
EPISODES = tuple(f"0.{number}" for number in range(12))

addresses = st.sampled_from(ADDRESSES)
episodes = st.sampled_from(EPISODES)


def member(address: str, state: MemberState = MemberState.READY, incarnation: str = "x") -> Member:
    return Member(Replica(Role.EXECUTOR, address, incarnation), state)


def table(*members: Member) -> PoolTable:
    return PoolTable(members=members)


def ready(*those: str) -> PoolTable:
    return table(*(member(address) for address in those))


class Pool(RuleBasedStateMachine):
    """Servers that come, fail and go, while episodes make calls."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.picker = Picker(Role.EXECUTOR, clock=lambda: self.now)
        self.states: dict[str, tuple[MemberState, int]] = {}
        self.calls: list[tuple[str, AbstractContextManager[None]]] = []
        self.failed: dict[str, float] = {}
        self.bound: dict[str, str] = {}

    def is_ready(self, address: str) -> bool:
        return address in self.states and self.states[address][0] is MemberState.READY

    def rests(self, address: str) -> bool:
        return self.failed.get(address, -1.0) > self.now

    def outstanding(self, address: str) -> int:
        return sum(called == address for called, _ in self.calls)

    @rule(address=addresses, state=st.sampled_from(MemberState), incarnation=st.integers(0, 2))
    def change(self, address: str, state: MemberState, incarnation: int) -> None:
        was_ready, before = self.is_ready(address), self.states.get(address)
        self.states[address] = (state, incarnation)
        if self.is_ready(address) and (not was_ready or before != self.states[address]):
            self.failed.pop(address, None)
        self.picker.update(
            table(
                Member(Replica(Role.PLANNER, "p:1", "x"), MemberState.READY),
                *(member(each, state, str(number)) for each, (state, number) in self.states.items()),
            )
        )

    @rule(episode=episodes, but=st.sets(addresses, max_size=3))
    def call(self, episode: str, but: set[str]) -> None:
        before, loads = self.bound.get(episode), self.picker.loads
        found = self.picker.pick(episode, but)
        others = {address for address in ADDRESSES if self.is_ready(address)} - but
        if found is None:
            assert not others
            return
        assert found in others
        awake = {address for address in others if not self.rests(address)} or others
        assert found in awake
        least = min(map(self.outstanding, awake))
        assert self.outstanding(found) <= least + MOST_ABOVE
        if before in awake and self.outstanding(before) <= least + MOST_ABOVE:
            assert found == before
        else:
            free = {each for each in awake if self.outstanding(each) <= least + MOST_ABOVE}
            loads.subtract([before] if before else [])
            assert loads[found] == min(loads[each] for each in free)
        self.bound[episode] = found
        call = self.picker.calling(found)
        call.__enter__()
        self.calls.append((found, call))

    @rule(draw=st.randoms(use_true_random=False))
    def answer(self, draw: object) -> None:
        if self.calls:
            address, call = self.calls.pop(draw.randrange(len(self.calls)))  # type: ignore[attr-defined]
            call.__exit__(None, None, None)
            self.failed.pop(address, None)

    @rule(draw=st.randoms(use_true_random=False))
    def fail(self, draw: object) -> None:
        if self.calls:
            address, call = self.calls.pop(draw.randrange(len(self.calls)))  # type: ignore[attr-defined]
            error = ConnectionError()
            try:
                call.__exit__(ConnectionError, error, None)
            except ConnectionError as raised:
                assert raised is error
            self.picker.failed(address)
            self.failed[address] = self.now + REST_SECONDS

    @rule(seconds=st.sampled_from((1.0, REST_SECONDS)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(episode=episodes)
    def end(self, episode: str) -> None:
        self.picker.release(episode)
        self.bound.pop(episode, None)

    @invariant()
    def counts(self) -> None:
        assert {each: self.picker.calls(each) for each in ADDRESSES} == {
            each: self.outstanding(each) for each in ADDRESSES
        }
        assert +self.picker.loads == {
            address: sum(bound == address for bound in self.bound.values())
            for address in set(self.bound.values())
        }


TestPool = Pool.TestCase


@given(st.sets(addresses, min_size=1), st.sets(episodes))
def test_episodes_are_spread_evenly(those: set[str], played: set[str]) -> None:
    picker = Picker(Role.EXECUTOR)
    picker.update(ready(*those))
    for episode in played:
        picker.pick(episode)
    loads = [picker.loads[address] for address in those]
    assert max(loads) - min(loads) <= 1


def test_ties_are_drawn_by_episode_and_not_by_the_order_of_the_table() -> None:
    chosen = set()
    for episode in EPISODES:
        picks = set()
        for order in (ADDRESSES, ADDRESSES[::-1]):
            picker = Picker(Role.EXECUTOR)
            picker.update(ready(*order))
            picks.add(picker.pick(episode))
        assert len(picks) == 1
        chosen |= picks
    assert chosen == set(ADDRESSES)


def test_an_episode_comes_back_to_no_server_that_it_has_left() -> None:
    picker = Picker(Role.EXECUTOR)
    picker.update(ready("a:1"))
    assert picker.pick("0.0") == "a:1"
    picker.update(table(member("a:1", MemberState.GONE), member("b:1")))
    assert picker.pick("0.0") == "b:1"
    picker.update(ready("a:1", "b:1"))
    assert picker.pick("0.0") == "b:1"


def test_a_server_that_was_started_again_no_longer_rests() -> None:
    picker = Picker(Role.EXECUTOR, clock=lambda: 0.0)
    picker.update(ready("a:1", "b:1"))
    picker.failed("a:1")
    assert [picker.pick(episode) for episode in EPISODES[:3]] == ["b:1"] * 3
    picker.update(table(member("a:1", incarnation="y"), member("b:1")))
    assert picker.pick(EPISODES[3]) == "a:1"
