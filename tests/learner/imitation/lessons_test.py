"""Lessons from the episodes of a run: what the teacher would have done where the models got to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.learner import ImitationSettings, LearnerSettings, LoraSettings
from core.errors import HiperError, InvalidInputError, NotFoundError
from core.role import Role
from environments.benchmark import Benchmark
from environments.registry import load
from learner.imitation.demonstrations import Formats, Lesson
from learner.imitation.lessons import right_answers, training_lessons
from learner.imitation.shipped import shipped_pair
from learner.imitation.teaching import WarmStartSettings, warm_start
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from serving.adapters.folder import WEIGHTS_FILE
from serving.model import ModelFolder, load_tokenizer, resolve_model
from tests.learner.imitation.byte_model import SERVER, byte_model
from trajectory.episode import Decision, Episode, Turn
from trajectory.wire import episode_to_pb

ADVISER = ImitationSettings(teacher="adviser", mistakes=0.3, games=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return byte_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def formats(base: ModelFolder) -> Formats:
    return Formats.of(load_tokenizer(base.path), SERVER, SERVER)


def environment(clutter: float = 0.0) -> Benchmark:
    generator = GeneratorSettings(games=6, horizon="short", clutter=clutter)
    return load(EnvironmentSettings(source="generated", generator=generator))


@pytest.fixture(scope="module")
def played(formats: Formats) -> list[Lesson]:
    """Episodes of a player that errs in three turns of ten, with what its teacher says of them."""
    return training_lessons(ADVISER, formats, environment(), seed=0)


def stored(folder: Path, episodes: Sequence[Episode]) -> ImitationSettings:
    """Settings whose lessons are a run of these episodes."""
    folder.mkdir()
    with contextlib.closing(EpisodeStore(RunFolder(folder).episodes, "run")) as store:
        for number, one in enumerate(episodes):
            key = replace(one.key, run_id="run")
            store.add(episode_to_pb(replace(one, key=key, number=number, group=number)))
    return ImitationSettings(teacher="adviser", games=0, episodes=(folder,))


def test_the_teacher_says_what_is_right_at_each_turn_of_a_run(
    formats: Formats, played: list[Lesson], tmp_path: Path
) -> None:
    chosen = stored(tmp_path / "run", [one.episode for one in played])
    lessons = training_lessons(chosen, formats, environment(), seed=0)
    assert [one.right for one in lessons] == [one.right for one in played]
    for role in Role:
        assert right_answers(lessons, formats, role) == right_answers(played, formats, role)
    both = training_lessons(chosen.model_copy(update={"games": 2}), formats, environment(), seed=0)
    assert len(both) == 2 + len(played)


def test_the_episodes_of_several_runs_are_lessons_in_the_order_given(
    formats: Formats, played: list[Lesson], tmp_path: Path
) -> None:
    runs = [
        stored(tmp_path / name, [one.episode for one in part])
        for name, part in (("a", played[:1]), ("b", played[1:]))
    ]
    folders = tuple(folder for run in reversed(runs) for folder in run.episodes)
    lessons = training_lessons(
        runs[0].model_copy(update={"episodes": folders}), formats, environment(), seed=0
    )
    assert [one.right for one in lessons] == [one.right for one in [*played[1:], played[0]]]


def test_after_a_wrong_subgoal_the_planner_learns_to_switch_to_the_right_one(
    formats: Formats, played: list[Lesson], tmp_path: Path
) -> None:
    def elsewhere(turn: Turn) -> Turn:
        plan = replace(turn.plan, decision=Decision.KEEP, subgoal="sing a song")
        return replace(turn, plan=plan)

    wrong = [
        replace(one.episode, turns=tuple(map(elsewhere, one.episode.turns)), won=False) for one in played
    ]
    lessons = training_lessons(stored(tmp_path / "run", wrong), formats, environment(), seed=0)
    parser = formats.planner_parser
    for one, answers in zip(lessons, right_answers(lessons, formats, Role.PLANNER), strict=True):
        assert {turn.plan.subgoal for turn in one.episode.turns} == {"sing a song"}
        for number, (right, answer) in enumerate(zip(one.right, answers, strict=True)):
            read = parser.parse(answer.response_ids, number, "goal", "sing a song")
            assert (read.decision, read.subgoal) == (Decision.SWITCH, right.subgoal)


@pytest.mark.parametrize(
    ("changed", "other", "message"),
    [
        (lambda one: one, 0.9, "turn 0 of episode 0, .* does something else than it did in the run"),
        (
            lambda one: replace(one, turns=one.turns[:-1]),
            0.0,
            r"turn \d+ of episode 0, .* does something else than it did in the run",
        ),
        (
            lambda one: replace(one, key=replace(one.key, task_id="another")),
            0.0,
            "episode 0 in .* is of task another, which is not a training task",
        ),
    ],
)
def test_episodes_of_other_games_are_refused(
    formats: Formats,
    played: list[Lesson],
    tmp_path: Path,
    changed: Callable[[Episode], Episode],
    other: float,
    message: str,
) -> None:
    chosen = stored(tmp_path / "run", [changed(played[0].episode)])
    with pytest.raises(InvalidInputError, match=message):
        training_lessons(chosen, formats, environment(clutter=other), seed=0)


def test_a_folder_without_episodes_is_refused(formats: Formats, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="has no episodes"):
        training_lessons(stored(tmp_path / "empty", []), formats, environment(), seed=0)
    missing = ImitationSettings(teacher="adviser", games=0, episodes=(tmp_path / "nowhere",))
    with pytest.raises(HiperError, match="nowhere"):
        training_lessons(missing, formats, environment(), seed=0)


def test_a_wrong_folder_is_told_before_the_teacher_plays(formats: Formats, tmp_path: Path) -> None:
    # In a single turn, the teacher wins nothing, and the lessons end with that.
    hopeless = load(
        EnvironmentSettings(source="generated", generator=GeneratorSettings(games=6), step_limit=1)
    )
    settings = ADVISER.model_copy(update={"lost": False})
    with pytest.raises(InvalidInputError, match="wins none of 4 training tasks"):
        training_lessons(settings, formats, hopeless, seed=0)
    missing = settings.model_copy(update={"episodes": (tmp_path / "nowhere",)})
    with pytest.raises(HiperError, match="nowhere"):
        training_lessons(missing, formats, hopeless, seed=0)


def test_a_teacher_that_cannot_comment_and_no_lessons_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValidationError, match=r"needs imitation\.teacher = adviser or decisive: the rule player"
    ):
        ImitationSettings(episodes=(tmp_path,))
    with pytest.raises(ValidationError, match=r"imitation\.games = 0 needs imitation\.episodes"):
        ImitationSettings(games=0)


def test_a_pair_is_taught_further(base: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    settings = WarmStartSettings(
        imitation=ImitationSettings(steps=2, batch_turns=2, games=2, learning_rate=1e-2),
        lora=LoraSettings(rank=2, alpha=4),
        learner=LearnerSettings(dtype="float32", threads=1, pack_tokens=2048),
        planner=SERVER,
        executor=SERVER,
    )

    def made(settings: WarmStartSettings) -> dict[str, torch.Tensor]:
        result = warm_start(settings, base, environment(), 0, lambda share, text: None)
        assert not result.cached
        return load_file(result.adapters.planner / WEIGHTS_FILE)

    first = made(settings)
    (pair,) = (each for each in (tmp_path / "cache" / "warm-start").iterdir() if each.is_dir())
    slowly = settings.imitation.model_copy(update={"adapters": pair, "learning_rate": 1e-7})
    further = made(replace(settings, imitation=slowly))
    alone = made(replace(settings, imitation=slowly.model_copy(update={"adapters": None})))
    assert all(torch.allclose(further[name], first[name], atol=1e-5) for name in first)
    assert not all(torch.allclose(alone[name], first[name], atol=1e-4) for name in first)


def test_only_the_planner_is_taught_further(
    base: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    imitation = ImitationSettings(steps=1, batch_turns=2, games=2, learning_rate=1e-2)
    learner = LearnerSettings(dtype="float32", threads=1, pack_tokens=2048)
    settings = WarmStartSettings(imitation, LoraSettings(rank=2, alpha=4), learner, SERVER, SERVER)
    first = warm_start(settings, base, environment(), 0, lambda share, text: None)
    (pair,) = (each for each in (tmp_path / "cache" / "warm-start").iterdir() if each.is_dir())
    further = imitation.model_copy(update={"adapters": pair, "steps": 0, "planner_steps": 2})
    made = warm_start(replace(settings, imitation=further), base, environment(), 0, lambda share, text: None)
    assert {role: len(losses) for role, losses in made.losses.items()} == {Role.PLANNER: 2, Role.EXECUTOR: 0}
    same = {
        role: (folder / WEIGHTS_FILE).read_bytes() == (first.adapters.of(role) / WEIGHTS_FILE).read_bytes()
        for role, folder in made.adapters.items()
    }
    assert same == {Role.PLANNER: False, Role.EXECUTOR: True}


def test_a_pair_that_is_not_there_is_told_before_anything_is_played(
    base: ModelFolder, tmp_path: Path
) -> None:
    settings = WarmStartSettings(
        imitation=ImitationSettings(adapters=tmp_path), planner=SERVER, executor=SERVER
    )
    told: list[str] = []
    with pytest.raises(NotFoundError, match="imitation.adapters: there is no .*planner.adapter_config.json"):
        warm_start(settings, base, environment(), 0, lambda share, text: told.append(text))
    assert not told


def test_no_shipped_pair_takes_the_place_of_one_that_is_taught_further(tmp_path: Path) -> None:
    settings, model = WarmStartSettings(), resolve_model("bundled")
    assert shipped_pair(settings, model, "alfworld")
    further = settings.imitation.model_copy(update={"adapters": tmp_path})
    assert shipped_pair(replace(settings, imitation=further), model, "alfworld") is None
