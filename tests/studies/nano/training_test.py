"""Learning rates, the order of lessons, and what the first training step changes."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from learner.update.packing import TokenSequence
from studies.nano.corpus import Lesson
from studies.nano.looking_back import look_back
from studies.nano.settings import NanoSettings
from studies.nano.training import Teacher, _schedule, new_model, reloaded, token_losses
from studies.nano.trees import Batch, Tree
from studies.nano.vocabulary import train_tokenizer

TINY = NanoSettings(
    hidden_size=16, intermediate_size=32, layers=2, heads=2, look_back_heads=0, batch_episodes=2
)
LESSONS = [
    Lesson((TokenSequence((number, 4, 5), (6, 7)),), TokenSequence((number,), (4, 5)))
    for number in (10, 11, 12)
]


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerFast:
    return train_tokenizer(["go to desk 1", "take mug 1"], size=300)


def model(words: PreTrainedTokenizerFast, **changes: object) -> LlamaForCausalLM:
    return new_model(TINY.model_copy(update=changes), words, seed=0)


def test_the_learning_rate_rises_and_falls_to_a_tenth() -> None:
    rates = [_schedule(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 15)
    assert max(rates) == pytest.approx(rates[14]) and rates[14] > 0.99
    assert rates[14:] == sorted(rates[14:], reverse=True)
    assert rates[500] == pytest.approx(0.1 + 0.9 * 0.5)
    assert rates[-1] == pytest.approx(0.1, abs=1e-4)


def test_a_model_follows_from_its_seed_and_leaves_torch_s_generator_alone(
    words: PreTrainedTokenizerFast,
) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, again = model(words), model(words)
    assert torch.equal(torch.rand(2), expected)
    other = new_model(TINY, words, seed=1)
    weights = [each.model.embed_tokens.weight for each in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert first.lm_head.weight is first.model.embed_tokens.weight
    assert len(words) == first.config.vocab_size


def test_a_model_is_reloaded_for_more_training(words: PreTrainedTokenizerFast, tmp_path: object) -> None:
    made = model(words)
    made.save_pretrained(str(tmp_path))
    again = reloaded(tmp_path)  # type: ignore[arg-type]
    batch = Batch.of([Tree.of(LESSONS[0])])
    torch.testing.assert_close(token_losses(again, batch), token_losses(made, batch))


def test_without_heads_that_look_back_nothing_is_changed(words: PreTrainedTokenizerFast) -> None:
    made = model(words)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    look_back(made, 0)
    assert all(torch.equal(made.state_dict()[name], value) for name, value in before.items())


def test_only_the_first_heads_of_the_first_layer_look_back(words: PreTrainedTokenizerFast) -> None:
    plain, made = model(words), model(words, look_back_heads=1)
    first, second = (each.model.layers[0].self_attn.q_proj.weight for each in (plain, made))
    assert not torch.equal(first[:8], second[:8])
    assert torch.equal(first[8:], second[8:])
    assert torch.equal(
        plain.model.layers[1].self_attn.q_proj.weight, made.model.layers[1].self_attn.q_proj.weight
    )
    assert (made.model.embed_tokens.weight[:, 0] == 0.08).all()


def test_every_lesson_is_shown_as_often_as_the_others(
    words: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees, shown = [Tree.of(lesson) for lesson in LESSONS], []
    batch_of = Batch.of

    def noted(chosen: list[Tree]) -> Batch:
        shown.append([trees.index(tree) for tree in chosen])
        return batch_of(chosen)

    monkeypatch.setattr(Batch, "of", noted)
    steps: list[int] = []
    Teacher(model(words), TINY, seed=0).teach(trees, 6, 1.0, lambda step, loss: steps.append(step))
    assert steps == [1, 2, 3, 4, 5, 6]
    assert Counter(place for batch in shown for place in batch) == {0: 4, 1: 4, 2: 4}
    flat = [place for batch in shown for place in batch]
    assert all(set(flat[begin : begin + 3]) == {0, 1, 2} for begin in range(0, 12, 3))


def test_the_seed_decides_the_order(words: PreTrainedTokenizerFast) -> None:
    def losses(seed: int) -> list[float]:
        found: list[float] = []
        trees = [Tree.of(lesson) for lesson in LESSONS]
        Teacher(model(words), TINY, seed).teach(trees, 4, 1.0, lambda _, loss: found.append(loss))
        return found

    assert losses(0) == losses(0) != losses(1)


def test_transcripts_count_by_their_weight(words: PreTrainedTokenizerFast) -> None:
    """With weight 0 their tokens have no gradient, so that another transcript changes nothing."""
    other = Lesson(LESSONS[0].answers, TokenSequence((10,), (4, 200)))

    def after(lesson: Lesson, weight: float) -> torch.Tensor:
        taught = model(words)
        settings = TINY.model_copy(update={"transcript_weight": weight})
        Teacher(taught, settings, seed=0).teach([Tree.of(lesson)] * 2, 1, 1.0, lambda *_: None)
        return taught.model.layers[0].mlp.up_proj.weight.detach()

    torch.testing.assert_close(after(LESSONS[0], 0.0), after(other, 0.0))
    assert not torch.allclose(after(LESSONS[0], 0.25), after(other, 0.25))


def test_a_rate_of_zero_teaches_nothing(words: PreTrainedTokenizerFast) -> None:
    taught = model(words)
    before = taught.model.embed_tokens.weight.clone()
    Teacher(taught, TINY, seed=0).teach([Tree.of(lesson) for lesson in LESSONS], 2, 0.0, lambda *_: None)
    assert torch.equal(taught.model.embed_tokens.weight, before)
