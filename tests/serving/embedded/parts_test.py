"""Parts of the embedded engine: sampling, stored prefixes, the batch's membership, rounded weights."""

from __future__ import annotations

import math
from concurrent.futures import Future

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.prefix import shared_length
from serving.embedded.prefixes import PrefixStore
from serving.embedded.sampling import sample
from serving.embedded.scheduler import Scheduler, Sequence
from serving.embedded.weights import rounded
from serving.engine import GenerationRequest


def sequence(*prompt_ids: int, new: int = 2) -> Sequence:
    return Sequence(GenerationRequest(prompt_ids, new, 1.0, 0, frozenset()), Future())


def test_a_uniform_number_picks_the_token_whose_share_it_falls_into() -> None:
    logits = torch.tensor([[0.1, 0.2, 0.7]]).log().expand(5, 3)
    tokens, logprobs = sample(logits, [1.0] * 5, [0.0, 0.09, 0.11, 0.29, 0.31])
    assert tokens == [0, 0, 1, 1, 2]
    assert logprobs == pytest.approx([math.log(p) for p in (0.1, 0.1, 0.2, 0.2, 0.7)])


def test_temperature_sharpens_the_distribution_that_is_drawn_from_and_reported() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)]] * 2)
    tokens, logprobs = sample(logits, [0.5, 0.0], [0.05, 0.0])
    assert tokens == [0, 1]
    assert logprobs == pytest.approx([math.log(1 / 10), math.log(3 / 4)])


@settings(deadline=None, max_examples=60)
@given(
    logits=st.lists(st.one_of(st.floats(-50, 50), st.just(-math.inf)), min_size=2, max_size=9).filter(
        lambda row: max(row) > -math.inf
    ),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_no_impossible_token_is_ever_drawn(logits: list[float], uniform: float) -> None:
    tokens, logprobs = sample(torch.tensor([logits]), [1.0], [uniform])
    assert logits[tokens[0]] > -math.inf
    assert math.isfinite(logprobs[0])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 2), max_size=8), st.lists(st.integers(0, 2), max_size=8))
def test_shared_length_is_where_two_sequences_part(first: list[int], second: list[int]) -> None:
    shared = shared_length(first, second)
    assert first[:shared] == second[:shared]
    assert first[shared : shared + 1] != second[shared : shared + 1] or shared == min(len(first), len(second))


PROMPTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=7).map(tuple), min_size=1, max_size=7)


@settings(deadline=None, max_examples=100)
@given(PROMPTS, st.integers(1, 30))
def test_no_kept_prompt_shares_more_than_the_one_that_is_found(
    prompts: list[tuple[int, ...]], capacity: int
) -> None:
    store, used = PrefixStore(capacity), []
    for prompt in prompts:
        shared, found = store.longest(prompt)
        assert shared == max((min(shared_length(kept, prompt), len(prompt) - 1) for kept in used), default=0)
        assert (found is None) == (shared == 0)
        if found is not None:
            hit = next(kept for kept in used if kept == tuple(found.tolist()))
            assert hit[:shared] == prompt[:shared]
            used = [*(kept for kept in used if kept != hit), hit]
        if prompt not in store:
            store.add(prompt, torch.tensor(prompt))
            used = [*(kept for kept in used if kept != prompt), prompt]
        while len(used) > 1 and sum(map(len, used)) > capacity:
            used.pop(0)


def test_the_longest_prefix_is_found_but_never_a_whole_prompt() -> None:
    store = PrefixStore(capacity=100)
    short, long = torch.zeros(1), torch.ones(1)
    store.add((1, 2, 9), short)
    store.add((1, 2, 3, 4), long)
    assert store.longest((1, 2, 3, 5)) == (3, long)
    assert store.longest((1, 2, 3, 4)) == (3, long)
    assert store.longest((7, 8)) == (0, None)


def test_the_least_recently_used_prefix_is_dropped() -> None:
    store = PrefixStore(capacity=6)
    store.add((1, 1, 1), torch.zeros(1))
    store.add((2, 2, 2), torch.zeros(1))
    store.longest((1, 1, 5))
    store.add((3, 3, 3), torch.zeros(1))
    assert [ids in store for ids in ((1, 1, 1), (2, 2, 2), (3, 3, 3))] == [True, False, True]


def test_a_prompt_that_goes_on_takes_the_place_of_the_one_before() -> None:
    store = PrefixStore(capacity=10_000)
    transcript = tuple(range(200))
    first, other = (*transcript, 901, 902), (*transcript[:100], *range(500, 640))
    going_on = (*transcript, *range(300, 340), 901, 902)
    for ids in (first, other, going_on):
        store.add(ids, torch.zeros(1))
    assert [ids in store for ids in (first, other, going_on)] == [False, True, True]
    assert store.longest((*transcript, 901, 903))[0] == len(transcript)


def test_prompts_that_share_little_more_than_instructions_keep_their_places() -> None:
    store = PrefixStore(capacity=10_000)
    instructions = tuple(range(60))
    prompts = [(*instructions, *range(start, start + 60)) for start in (100, 200, 300)]
    for ids in prompts:
        store.add(ids, torch.zeros(1))
    assert all(ids in store for ids in prompts)


def test_a_batch_takes_as_many_as_it_holds_in_the_order_they_came() -> None:
    scheduler = Scheduler(max_batch=2)
    first, second, third = sequence(1), sequence(2), sequence(3)
    scheduler.waiting.extend((first, second, third))
    assert scheduler.admit(lambda _: 0) == [first, second]
    assert list(scheduler.waiting) == [third]


def test_a_prompt_waits_a_step_for_one_that_it_can_copy_from() -> None:
    scheduler = Scheduler(max_batch=4)
    shared = tuple(range(100))
    first, second, other = sequence(*shared, 1), sequence(*shared, 2), sequence(7)
    scheduler.waiting.extend((first, second, other))
    assert scheduler.admit(lambda _: 0) == [first, other]
    assert scheduler.admit(lambda _: 100) == [second]


def test_the_last_sequence_fills_the_gap_that_another_leaves() -> None:
    scheduler = Scheduler(max_batch=3)
    first, second, third = sequence(1), sequence(2), sequence(3)
    scheduler.running = [first, second, third]
    assert scheduler.remove(0) == 2
    assert scheduler.running == [third, second]
    assert scheduler.remove(1) is None
    assert scheduler.running == [third]


def test_each_request_has_its_own_random_stream() -> None:
    one, same = sequence(1), sequence(2)
    drawn = [one.next_uniform() for _ in range(3)]
    assert [same.next_uniform() for _ in range(3)] == drawn
    assert len(set(drawn)) == 3


def test_rounding_keeps_numbers_of_the_format_and_moves_others_to_a_neighbour() -> None:
    exact = torch.randn(64, 96, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(rounded(exact.float(), torch.bfloat16), exact)
    between = exact.float() * (1 + 2**-10)
    moved = rounded(between, torch.bfloat16)
    up = exact.float() * (1 + 2**-7)
    assert ((moved == exact) | ((moved.float() - up).abs() < exact.float().abs() * 2**-7)).all()
    assert 0 < (moved != exact).float().mean() < 0.5
    assert torch.equal(rounded(between, torch.float32), between)


def test_changes_below_the_last_bit_arrive_in_the_sum_over_a_row() -> None:
    weights = torch.full((8, 1000), 0.75)
    # A sixteenth of the last bit, which is 2**-8 here: rounded to the nearest number, nothing of it is left.
    change = 2.0**-12
    assert torch.equal((weights + change).bfloat16().float(), weights)
    arrived = (rounded(weights + change, torch.bfloat16).float() - weights).mean(1)
    assert arrived == pytest.approx([change] * 8, rel=0.05)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 3.4e38])
def test_what_is_beyond_the_format_becomes_infinite(value: float) -> None:
    assert rounded(torch.full((3, 50), value), torch.bfloat16).isinf().any()
