"""The embedded engine on a small random model: what it computes, and who gets what when."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from configuration.servers import ModelServerSettings
from core.errors import (
    HiperError,
    InvalidInputError,
    PromptTooLongError,
    QueueFullError,
    UnavailableError,
)
from serving.embedded.decoding import Capture
from serving.embedded.engine import EmbeddedEngine
from serving.embedded.runner import ModelRunner
from serving.embedded.weights import MergedWeights
from serving.engine import (
    BASE_VERSION,
    EngineFailedError,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)
from serving.engines import make_engine
from serving.model import ModelFolder
from tests.serving.captured import traced
from tests.serving.models import WORDS, plain_logprobs, random_adapter, tiny_model


@pytest.fixture(scope="module", params=["llama", "qwen2", "captured"])
def kind(request: pytest.FixtureRequest) -> str:
    """Kind of the model; `captured` is a llama whose decode steps are captured."""
    return str(request.param)


@pytest.fixture(scope="module")
def model(kind: str, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp(kind), "qwen2" if kind == "qwen2" else "llama")


@pytest.fixture(scope="module")
def capture(kind: str) -> Capture | None:
    return traced if kind == "captured" else None


@pytest.fixture(scope="module")
def adapters(
    model: ModelFolder, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, tuple[LoadedAdapter, PeftModel]]:
    made = {}
    for version in (0, 1):
        folder = tmp_path_factory.mktemp(f"adapter{version}")
        reference = random_adapter(model, folder, seed=version, rank_stabilised=version == 1)
        made[version] = (LoadedAdapter(f"test@{version}", version, folder), reference)
    return made


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture
def engine(model: ModelFolder, capture: Capture | None, runner: asyncio.Runner) -> Iterator[EmbeddedEngine]:
    made = EmbeddedEngine(model, "float32", context_length=128, max_batch=4, max_queue=16, capture=capture)
    runner.run(made.start())
    yield made
    runner.run(made.close())


def request(seed: int, length: int = 20, new: int = 8, **changes: object) -> GenerationRequest:
    words = random.Random(seed)
    fields = {
        "prompt_ids": tuple(words.randrange(WORDS) for _ in range(length)),
        "max_new_tokens": new,
        "temperature": 1.0,
        "seed": seed,
        "stop_ids": frozenset(),
    }
    return GenerationRequest(**{**fields, **changes})


async def generate_all(engine: EmbeddedEngine, requests: list[GenerationRequest]) -> list[GenerationResult]:
    return await asyncio.gather(*(engine.generate(r) for r in requests))


def assert_logprobs(model: object, asked: GenerationRequest, got: GenerationResult) -> None:
    expected = plain_logprobs(model, asked.prompt_ids, got.token_ids, asked.temperature or 1.0)
    assert got.logprobs == pytest.approx(expected, abs=1e-4)


def assert_same(first: GenerationResult, second: GenerationResult) -> None:
    """Equal but for rounding: sums are taken in another order in a batch of another size."""
    assert first.logprobs == pytest.approx(second.logprobs, abs=1e-4)
    assert replace(first, logprobs=()) == replace(second, logprobs=())


def test_logprobs_are_those_of_a_plain_forward_pass_whoever_else_is_in_the_batch(
    engine: EmbeddedEngine, runner: asyncio.Runner, model: ModelFolder
) -> None:
    plain = AutoModelForCausalLM.from_pretrained(model.path)
    requests = [
        request(seed, length=5 + 7 * seed, new=3 + seed, temperature=0.5 + seed / 4) for seed in range(9)
    ]
    together = runner.run(generate_all(engine, requests))
    for asked, got in zip(requests, together, strict=True):
        assert_logprobs(plain, asked, got)
        assert_same(got, runner.run(engine.generate(asked)))
        assert got.adapter_version == BASE_VERSION
        assert got.finish_reason is FinishReason.LENGTH


def test_in_float64_no_batch_changes_an_answer(model: ModelFolder, runner: asyncio.Runner) -> None:
    engine = EmbeddedEngine(model, "float64", context_length=128, max_batch=4, max_queue=16)
    runner.run(engine.start())
    requests = [request(seed, length=5 + 7 * seed, new=3 + seed) for seed in range(9)]
    for asked, got in zip(requests, runner.run(generate_all(engine, requests)), strict=True):
        alone = runner.run(engine.generate(asked))
        assert got.token_ids == alone.token_ids
        # In float32 they differ by about 1e-7, which is now and then enough for another token.
        assert got.logprobs == pytest.approx(alone.logprobs, rel=0, abs=1e-10)
    runner.run(engine.close())


def test_adapters_are_served_as_peft_computes_them_and_leave_nothing_behind(
    engine: EmbeddedEngine,
    runner: asyncio.Runner,
    adapters: dict[int, tuple[LoadedAdapter, PeftModel]],
) -> None:
    asked = [request(seed, length=40) for seed in range(3)]
    before = runner.run(generate_all(engine, asked))
    for version in (0, 1, 0):
        adapter, reference = adapters[version]
        runner.run(engine.switch(adapter))
        for wanted, got in zip(asked, runner.run(generate_all(engine, asked)), strict=True):
            assert got.adapter_version == version
            assert_logprobs(reference, wanted, got)
    runner.run(engine.switch(None))
    for now, then in zip(runner.run(generate_all(engine, asked)), before, strict=True):
        assert_same(now, then)


def test_running_answers_end_with_the_version_they_began_with(
    engine: EmbeddedEngine,
    runner: asyncio.Runner,
    adapters: dict[int, tuple[LoadedAdapter, PeftModel]],
) -> None:
    async def play() -> tuple[list[GenerationResult], GenerationResult]:
        long = [asyncio.create_task(engine.generate(request(seed, new=100))) for seed in range(4)]
        while engine.counters.generated_tokens == 0:
            await asyncio.sleep(0)
        await engine.switch(adapters[0][0])
        return await asyncio.gather(*long), await engine.generate(request(9))

    running, later = runner.run(play())
    assert {result.adapter_version for result in running} == {BASE_VERSION}
    assert later.adapter_version == 0


def test_a_shared_prefix_is_copied_and_changes_nothing(
    engine: EmbeddedEngine, runner: asyncio.Runner, model: ModelFolder
) -> None:
    plain = AutoModelForCausalLM.from_pretrained(model.path)
    first = request(1, length=100)
    same = request(2, prompt_ids=first.prompt_ids)
    longer = request(3, prompt_ids=(*first.prompt_ids[:80], 5, 6, 7))
    for asked, got in zip(
        (first, same, longer), runner.run(generate_all(engine, [first, same, longer])), strict=True
    ):
        assert_logprobs(plain, asked, got)
    counters = engine.counters
    assert counters.shared_prompt_tokens == 99 + 80
    assert counters.prompt_tokens == 100 + 1 + 3


def test_transcripts_of_half_a_context_stay_kept_one_for_each_place(
    model: ModelFolder, runner: asyncio.Runner
) -> None:
    made = make_engine(model, ModelServerSettings(max_batch=4, context_length=512, dtype="float32"))
    runner.run(made.start())
    transcripts = [request(place, length=200) for place in range(4)]
    longer = [request(place, prompt_ids=(*one.prompt_ids, 5, 6, 7)) for place, one in enumerate(transcripts)]
    for asked in (*transcripts, *longer):
        runner.run(made.generate(asked))
    assert made.counters.shared_prompt_tokens == 4 * 200
    runner.run(made.close())


def test_a_switch_forgets_the_prefixes_of_the_old_version(
    engine: EmbeddedEngine,
    runner: asyncio.Runner,
    adapters: dict[int, tuple[LoadedAdapter, PeftModel]],
) -> None:
    asked = request(1, length=60)
    runner.run(engine.generate(asked))
    runner.run(engine.switch(adapters[1][0]))
    assert_logprobs(adapters[1][1], asked, runner.run(engine.generate(asked)))
    assert engine.counters.shared_prompt_tokens == 0


def test_temperature_zero_takes_the_most_likely_token(engine: EmbeddedEngine, runner: asyncio.Runner) -> None:
    asked = request(1, temperature=0.0)
    first, second = runner.run(generate_all(engine, [asked, replace(asked, seed=99)]))
    assert first.token_ids == second.token_ids


def test_an_answer_ends_at_a_stop_token_or_when_it_is_complete(
    engine: EmbeddedEngine, runner: asyncio.Runner
) -> None:
    whole = runner.run(engine.generate(request(1))).token_ids
    place = next(i for i in range(2, 8) if whole[i] not in whole[:i])
    stopped = runner.run(engine.generate(request(1, stop_ids=frozenset({whole[place]}))))
    assert (stopped.token_ids, stopped.finish_reason) == (whole[: place + 1], FinishReason.STOP)
    complete = runner.run(engine.generate(request(1, complete_answers=frozenset({whole[:2], (3, 4, 5)}))))
    assert (complete.token_ids, complete.finish_reason) == (whole[:2], FinishReason.STOP)


def test_a_cancelled_call_leaves_the_batch_to_the_others(
    engine: EmbeddedEngine, runner: asyncio.Runner
) -> None:
    async def play() -> GenerationResult:
        dropped = asyncio.create_task(engine.generate(request(1, new=100)))
        kept = asyncio.create_task(engine.generate(request(2, new=50)))
        while engine.counters.generated_tokens < 4:
            await asyncio.sleep(0)
        dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped
        return await kept

    kept = runner.run(play())
    assert_same(kept, runner.run(engine.generate(request(2, new=50))))
    assert engine.counters.generated_tokens < 100 + 2 * 50


def test_more_than_the_queue_holds_is_refused_and_the_rest_is_answered(
    engine: EmbeddedEngine, runner: asyncio.Runner
) -> None:
    async def play() -> list[GenerationResult | BaseException]:
        calls = (engine.generate(request(seed, new=30)) for seed in range(40))
        return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = runner.run(play())
    refused = [o for o in outcomes if isinstance(o, QueueFullError)]
    answered = [o for o in outcomes if isinstance(o, GenerationResult)]
    assert refused and len(answered) >= 16 and len(refused) + len(answered) == 40


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"prompt_ids": ()}, InvalidInputError),
        ({"prompt_ids": (1, WORDS)}, InvalidInputError),
        ({"prompt_ids": (1, -1)}, InvalidInputError),
        ({"max_new_tokens": 0}, InvalidInputError),
        ({"temperature": -1.0}, InvalidInputError),
        ({"temperature": float("nan")}, InvalidInputError),
        ({"prompt_ids": (1,) * 121}, PromptTooLongError),
    ],
)
def test_bad_requests_are_refused(
    engine: EmbeddedEngine, runner: asyncio.Runner, changes: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        runner.run(engine.generate(request(1, **changes)))
    runner.run(engine.generate(request(1, prompt_ids=(1,) * 120)))


def test_a_failed_switch_leaves_what_was_served(
    engine: EmbeddedEngine, runner: asyncio.Runner, tmp_path: Path
) -> None:
    before = runner.run(engine.generate(request(1)))
    with pytest.raises(HiperError):
        runner.run(engine.switch(LoadedAdapter("broken", 3, tmp_path)))
    assert_same(runner.run(engine.generate(request(1))), before)


def edited(tensors: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    found = load_file(tensors)
    edit(found)
    save_file(found, tensors, metadata={"format": "pt"})


def test_an_adapter_whose_finite_factors_have_no_finite_product_is_refused(
    engine: EmbeddedEngine, runner: asyncio.Runner, model: ModelFolder, tmp_path: Path
) -> None:
    random_adapter(model, tmp_path, seed=5)
    edited(
        tmp_path / "adapter_model.safetensors",
        lambda tensors: tensors.update({name: tensor * 1e30 for name, tensor in tensors.items()}),
    )
    before = runner.run(engine.generate(request(1)))
    with pytest.raises(InvalidInputError, match="merged into the base model .* not finite in torch.float32"):
        runner.run(engine.switch(LoadedAdapter("huge", 3, tmp_path)))
    assert_same(runner.run(engine.generate(request(1))), before)


def long_beside_short() -> list[GenerationRequest]:
    """The short one's row is computed with all positions of the long one, those beyond its own masked."""
    return [request(1, length=4), request(2, length=60)]


def overflowing_adapter(model: ModelFolder, folder: Path) -> LoadedAdapter:
    """Its weights are finite, but not the products of its queries and keys."""
    random_adapter(model, folder, seed=5)
    edited(
        folder / "adapter_model.safetensors",
        lambda tensors: tensors.update(
            {name: tensor * 1e12 for name, tensor in tensors.items() if "q_proj" in name or "k_proj" in name}
        ),
    )
    return LoadedAdapter("large", 3, folder)


def test_an_adapter_with_which_the_model_overflows_is_refused(
    engine: EmbeddedEngine,
    runner: asyncio.Runner,
    model: ModelFolder,
    adapters: dict[int, tuple[LoadedAdapter, PeftModel]],
    tmp_path: Path,
) -> None:
    bad = overflowing_adapter(model, tmp_path)
    for good in (None, adapters[1][0]):
        runner.run(engine.switch(good))
        before = runner.run(engine.generate(request(1)))
        for _ in range(4):  # more than the number of failed steps after which an engine gives up
            with pytest.raises(InvalidInputError, match="adapter: .* logits with it are not"):
                runner.run(engine.switch(bad))
        assert_same(runner.run(engine.generate(request(1))), before)
    runner.run(engine.switch(None))
    plain = AutoModelForCausalLM.from_pretrained(model.path)
    assert_logprobs(plain, request(2), runner.run(engine.generate(request(2))))


def test_what_a_bad_adapter_computed_does_not_spoil_answers_after_a_rollback(
    engine: EmbeddedEngine,
    runner: asyncio.Runner,
    model: ModelFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = runner.run(generate_all(engine, long_beside_short()))
    # As if the model overflowed at other prompts than the one with which new weights are tried.
    monkeypatch.setattr(ModelRunner, "is_finite", lambda _: True)
    runner.run(engine.switch(overflowing_adapter(model, tmp_path)))
    with pytest.raises(HiperError, match="not finite"):
        runner.run(generate_all(engine, [request(3, length=100), request(4, length=100)]))
    runner.run(engine.switch(None))
    for now, then in zip(runner.run(generate_all(engine, long_beside_short())), before, strict=True):
        assert_same(now, then)


def test_an_answer_that_is_not_finite_does_not_spoil_the_next_one_in_its_slot(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    poison = 11
    tiny_model(tmp_path)

    def untie(tensors: dict[str, torch.Tensor]) -> None:
        words = tensors["model.embed_tokens.weight"]
        tensors["lm_head.weight"] = words.clone()
        words[poison] = float("nan")

    edited(tmp_path / "model.safetensors", untie)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    made = EmbeddedEngine(ModelFolder(tmp_path, "poisoned", ""), "float32", context_length=128, max_batch=4)
    harmless = [replace(asked, temperature=0.0) for asked in long_beside_short()]
    runner.run(made.start())
    before = runner.run(generate_all(made, harmless))
    with pytest.raises(HiperError, match="not finite"):
        runner.run(made.generate(request(3, prompt_ids=(poison,) * 100)))
    for now, then in zip(runner.run(generate_all(made, harmless)), before, strict=True):
        assert_same(now, then)
    runner.run(made.close())


def test_a_switch_that_fails_at_its_end_is_told_and_the_next_one_works(
    engine: EmbeddedEngine,
    runner: asyncio.Runner,
    adapters: dict[int, tuple[LoadedAdapter, PeftModel]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as patched, pytest.raises(MemoryError, match="no room"):
        patched.setattr(MergedWeights, "use", refuse)
        runner.run(asyncio.wait_for(engine.switch(adapters[0][0]), 60))
    assert runner.run(engine.generate(request(1))).adapter_version == BASE_VERSION
    runner.run(engine.switch(adapters[1][0]))
    assert runner.run(engine.generate(request(1))).adapter_version == 1


async def outcome_of(call: Awaitable[GenerationResult]) -> type:
    try:
        return type(await call)
    except HiperError as error:
        return type(error)


def failing_with(error: BaseException) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "failures"),
    [(SystemExit("dead"), 0), (torch.AcceleratorError("sticky"), 1), (RuntimeError("each step"), 3)],
)
def test_an_engine_that_cannot_go_on_says_so_to_all(
    engine: EmbeddedEngine,
    runner: asyncio.Runner,
    adapters: dict[int, tuple[LoadedAdapter, PeftModel]],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    failures: int,
) -> None:
    """`failures` requests end with the error of their own step, all others with that of the engine."""
    monkeypatch.setattr(ModelRunner, "forward", failing_with(error))

    async def play() -> None:
        outcomes = [await outcome_of(engine.generate(request(seed))) for seed in range(5)]
        assert outcomes == [HiperError] * failures + [EngineFailedError] * (5 - failures)
        failure = await asyncio.wait_for(engine.failure(), 10)
        assert str(error) in str(failure)
        with pytest.raises(EngineFailedError):
            await engine.switch(adapters[0][0])

    runner.run(play())


def test_an_engine_whose_step_never_returns_says_so_to_all(
    model: ModelFolder, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    returns = threading.Event()
    monkeypatch.setattr(ModelRunner, "forward", lambda *_: returns.wait())
    engine = EmbeddedEngine(model, "float32", context_length=128, max_batch=2, stuck_seconds=0.2)

    async def play() -> None:
        await engine.start()
        failure = asyncio.create_task(engine.failure())
        calls = [outcome_of(engine.generate(request(seed))) for seed in range(3)]
        assert await asyncio.gather(*calls) == [EngineFailedError] * 3
        assert "nothing for 0.2 s although 3 calls wait" in str(await failure)
        await engine.close()
        returns.set()

    runner.run(play())


def test_failing_steps_with_good_ones_between_end_their_own_requests_only(
    engine: EmbeddedEngine, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        for seed in range(4):
            with monkeypatch.context() as patched:
                patched.setattr(ModelRunner, "forward", failing_with(RuntimeError("once")))
                with pytest.raises(HiperError, match="once"):
                    await engine.generate(request(seed))
            await engine.generate(request(seed))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.failure(), 0)

    runner.run(play())


def test_closing_ends_what_runs_with_an_error(model: ModelFolder, runner: asyncio.Runner) -> None:
    engine = EmbeddedEngine(model, "float32", context_length=512, max_batch=1)

    async def play() -> list[BaseException | GenerationResult]:
        await engine.start()
        calls = [asyncio.create_task(engine.generate(request(seed, new=400))) for seed in range(2)]
        while engine.counters.generated_tokens == 0:
            await asyncio.sleep(0)
        await engine.close()
        return await asyncio.gather(*calls, engine.generate(request(3)), return_exceptions=True)

    assert [type(outcome) for outcome in runner.run(play())] == [UnavailableError] * 3


def test_a_context_longer_than_the_models_is_refused(model: ModelFolder, runner: asyncio.Runner) -> None:
    with pytest.raises(InvalidInputError, match="512"):
        runner.run(EmbeddedEngine(model, "float32", context_length=1024).start())
