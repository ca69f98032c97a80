"""The lease gate: bounded lag, every place once, nothing lost when a lease runs out."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from learner.service.gate import RETRY_SECONDS, LeaseGate, Schedule
from trajectory.fence import Fence
from trajectory.lease import Finished, Lease, Wait


def schedule(updates=3, batch=4, group=2, lag=0, seconds=100.0, seed=7):
    return Schedule(updates, batch, group, lag, seconds, seed)


def test_a_synchronous_run_leases_a_batch_and_waits_for_its_update():
    gate = LeaseGate("run", schedule(), frozenset(), 0)
    numbers = [gate.grant(0.0).number for _ in range(4)]
    assert numbers == [0, 1, 2, 3]
    assert gate.grant(0.0) == Wait("update 1 comes first", RETRY_SECONDS)
    for number in numbers:
        gate.complete(number)
    assert gate.batch_is_whole()
    gate.advance(1)
    assert not gate.batch_is_whole()
    assert gate.grant(0.0).number == 4


def test_episodes_of_a_group_share_their_place_in_the_order_of_tasks_and_nothing_else():
    gate = LeaseGate("run", schedule(), frozenset(), 0)
    a, b, c, _ = (gate.grant(0.0) for _ in range(4))
    assert a.task_seed == b.task_seed == c.task_seed
    assert (a.group, b.group, c.group) == (0, 0, 1)
    assert len({a.seed, b.seed, c.seed}) == 3


def test_a_lease_that_ran_out_is_granted_again_as_the_next_attempt():
    gate = LeaseGate("run", schedule(seconds=10.0), frozenset(), 0)
    first = gate.grant(0.0)
    assert gate.grant(9.9).number == 1
    again = gate.grant(10.0)
    assert (again.number, again.attempt, again.task_seed) == (0, 1, first.task_seed)
    assert again.lease_id != first.lease_id and again.seed != first.seed


def test_a_run_that_goes_on_leases_only_what_is_missing():
    gate = LeaseGate("run", schedule(), frozenset({0, 1, 2, 3, 5}), 1)
    assert [gate.grant(0.0).number for _ in range(3)] == [4, 6, 7]


def test_the_end_of_a_run_waits_for_what_is_being_played():
    gate = LeaseGate("run", schedule(updates=1, batch=2, group=1), frozenset({0}), 0)
    assert gate.grant(0.0).number == 1
    assert isinstance(gate.grant(0.0), Wait)
    gate.complete(1)
    assert isinstance(gate.grant(0.0), Finished)


def test_a_lease_that_is_renewed_stays_and_one_that_is_not_goes_to_the_next():
    gate = LeaseGate("run", schedule(seconds=30.0), frozenset(), 0)
    kept, left = gate.grant(0.0), gate.grant(0.0)
    assert gate.renew([kept.lease_id, "0.9.0"], 20.0) == ("0.9.0",)
    again = gate.grant(30.0)
    assert (again.number, again.attempt) == (left.number, 1)
    assert gate.renew([kept.lease_id, left.lease_id, again.lease_id], 49.0) == (left.lease_id,)
    assert gate.grant(78.0).number == 2
    assert gate.grant(79.0).number == 0
    assert gate.renew([kept.lease_id], 79.0) == (kept.lease_id,)


def test_a_place_that_is_freed_is_leased_again_at_once():
    gate = LeaseGate("run", schedule(), frozenset(), 0)
    lease = gate.grant(0.0)
    gate.free(lease.number)
    gate.free(3)
    assert gate.renew([lease.lease_id], 0.0) == (lease.lease_id,)
    assert gate.grant(0.0).lease_id == "0.0.1"


def test_a_place_that_is_freed_while_its_episode_is_being_stored_is_not_leased_again():
    gate = LeaseGate("run", schedule(), frozenset(), 0)
    lease = gate.grant(0.0)
    gate.free(lease.number)
    gate.complete(lease.number)
    assert gate.grant(0.0).number == 1


def test_leases_name_their_epoch():
    before = LeaseGate("run", schedule(), frozenset(), 0, epoch=0).grant(0.0)
    gate = LeaseGate("run", schedule(), frozenset(), 0, epoch=1)
    after = gate.grant(0.0)
    assert (before.lease_id, after.lease_id, after.fence) == ("0.0.0", "1.0.0", Fence("run", 1, 0))
    assert gate.renew([before.lease_id], 0.0) == (before.lease_id,)


def test_a_place_that_is_set_aside_is_done_and_an_earlier_batch_is_not_leased_any_more():
    gate = LeaseGate("run", schedule(updates=2), frozenset(), 0)
    lease, *others = (gate.grant(0.0) for _ in range(4))
    assert (gate.place(lease.lease_id), gate.place("0.9.0")) == (0, None)
    gate.set_aside(0)
    assert gate.place(lease.lease_id) is None
    assert gate.renew([lease.lease_id], 0.0) == (lease.lease_id,)
    for other in others:
        assert not gate.batch_is_whole()
        gate.complete(other.number)
    assert gate.batch_is_whole() and gate.stored == 3
    gate.advance(1)
    assert gate.grant(0.0).number == 4
    resumed = LeaseGate("run", schedule(updates=2), frozenset({1, 2, 3}), 0)
    assert resumed.grant(0.0).number == 0, "it is tried again if its update is not made yet"
    resumed = LeaseGate("run", schedule(updates=2), frozenset({1, 2, 3}), 0)
    resumed.advance(1)
    assert [resumed.grant(0.0).number for _ in range(4)] == [4, 5, 6, 7]
    for number in range(4, 8):
        resumed.complete(number)
    assert isinstance(resumed.grant(0.0), Finished)


class Renewals(RuleBasedStateMachine):
    """Orchestrators that come, renew, stop renewing and submit, in any order."""

    SECONDS, EPISODES = 9.0, 6

    def __init__(self):
        super().__init__()
        self.gate = LeaseGate("run", schedule(1, self.EPISODES, 1, 0, self.SECONDS), frozenset(), 0)
        self.now = 0.0
        self.renewed = {}
        """Time of the grant or last renewal of each lease that the learner must know."""
        self.stored, self.aside, self.freed, self.ids = set(), set(), set(), []

    @rule(seconds=st.integers(0, 10))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def somebody_asks(self):
        lapsed = {n for n, (_, at) in self.renewed.items() if at + self.SECONDS <= self.now}
        lapsed = self.freed or lapsed
        outcome = self.gate.grant(self.now)
        if not isinstance(outcome, Lease):
            done = len(self.stored | self.aside)
            assert not lapsed and len(self.renewed) + done == self.EPISODES
            assert isinstance(outcome, Finished) == (done == self.EPISODES)
            return
        assert outcome.number not in self.stored | self.aside
        assert outcome.number in lapsed if lapsed else outcome.number not in self.renewed
        assert outcome.lease_id not in self.ids
        self.ids.append(outcome.lease_id)
        self.freed.discard(outcome.number)
        self.renewed[outcome.number] = (outcome.lease_id, self.now)

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def some_are_renewed(self, data):
        ids = data.draw(st.lists(st.sampled_from(self.ids), unique=True))
        known = {lease_id: number for number, (lease_id, _) in self.renewed.items()}
        assert set(self.gate.renew(ids, self.now)) == set(ids) - known.keys()
        for lease_id in known.keys() & set(ids):
            self.renewed[known[lease_id]] = (lease_id, self.now)

    @precondition(lambda self: self.renewed)
    @rule(data=st.data())
    def one_is_submitted(self, data):
        number = data.draw(st.sampled_from(sorted(self.renewed)))
        assert self.gate.leased(number).lease_id == self.renewed.pop(number)[0]
        self.gate.complete(number)
        self.stored.add(number)

    @precondition(lambda self: self.renewed)
    @rule(data=st.data())
    def one_is_set_aside(self, data):
        number = data.draw(st.sampled_from(sorted(self.renewed)))
        self.renewed.pop(number)
        self.gate.set_aside(number)
        self.aside.add(number)

    @precondition(lambda self: self.renewed)
    @rule(data=st.data())
    def one_is_freed(self, data):
        number = data.draw(st.sampled_from(sorted(self.renewed)))
        self.gate.free(number)
        self.renewed.pop(number)
        self.freed.add(number)
        assert self.gate.leased(number) is None

    @invariant()
    def nothing_is_lost(self):
        assert (self.gate.open_leases, self.gate.stored) == (len(self.renewed), len(self.stored))


TestRenewals = Renewals.TestCase
TestRenewals.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)


@settings(deadline=None, max_examples=200)
@given(lag=st.integers(0, 3), batch=st.integers(1, 5), updates=st.integers(1, 4), data=st.data())
def test_in_whatever_order_episodes_end_none_lags_further_and_each_is_used_once(lag, batch, updates, data):
    gate = LeaseGate("run", schedule(updates, batch, 1, lag, seconds=5.0), frozenset(), 0)
    version, now, playing, used = 0, 0.0, {}, []
    while version < updates:
        now += data.draw(st.sampled_from([0.0, 1.0, 6.0]))
        outcome = gate.grant(now)
        if isinstance(outcome, Lease):
            playing[outcome.number] = outcome
        if playing and (not isinstance(outcome, Lease) or data.draw(st.booleans())):
            lease = playing.pop(data.draw(st.sampled_from(sorted(playing))))
            assert lease.version == version or lease.number // batch - lease.version <= lag
            gate.complete(lease.number)
        while version < updates and gate.batch_is_whole():
            used += range(version * batch, (version + 1) * batch)
            version += 1
            gate.advance(version)
    assert used == list(range(updates * batch))
