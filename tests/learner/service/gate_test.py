"""The lease gate: bounded lag, every place once, nothing lost when a lease runs out."""

from hypothesis import given, settings
from hypothesis import strategies as st

from learner.service.gate import RETRY_SECONDS, LeaseGate, Schedule
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
