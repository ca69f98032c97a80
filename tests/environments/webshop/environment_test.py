"""The gymnasium environment: conformance, junk, snapshots and limits."""

import json
import lzma
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from environments.benchmark import StepInfo
from environments.errors import ActionTypeError, EnvironmentDataError, EpisodeError, UnknownTaskError
from environments.webshop.conformance import replay
from environments.webshop.environment import WebShopEnvironment
from tests.environments.webshop.shops import golden_lines, synthetic_shop
from tests.shared_data import shared

JUNK = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["click[nonsense]", "buy", "Search[shoes]", "click[search]", "search[]", "click[]", "CLICK[buy now]"]
    ),
    st.text(max_size=20).map(lambda text: f"click[{text}]"),
)


def started(steps: int = 0, task: int = 0, step_limit: int = 50) -> WebShopEnvironment:
    """An environment some steps into its task's demonstration."""
    shop = synthetic_shop(step_limit=step_limit)
    first = shop.tasks("train")[task]
    environment = shop.environment()
    environment.reset(options={"task": first.id})
    for step in shop.demonstration(first)[:steps]:
        environment.step(step.action)
    return environment


def rest(
    environment: WebShopEnvironment, task: int = 0, steps: int = 0
) -> list[tuple[str, float, bool, bool, StepInfo]]:
    """The answers to the remainder of the task's demonstration."""
    shop = synthetic_shop()
    return [environment.step(step.action) for step in shop.demonstration(shop.tasks("train")[task])[steps:]]


def test_recorded_episodes_replay_without_difference() -> None:
    report = replay(shared("webshop/golden/episodes_seed233.jsonl.xz"), shared("webshop"))
    assert (report.steps, report.differences, report.first) == (909, 0, None)


@pytest.mark.parametrize("field", ["obs", "available", "reward"])
def test_any_changed_field_of_a_recording_is_a_difference(tmp_path: Path, field: str) -> None:
    episode = golden_lines("episodes_seed233.jsonl.xz")[0]
    changed = {"obs": "x", "available": {"has_search_bar": True, "clickables": []}, "reward": 0.5}
    episode["steps"][0][field] = changed[field]
    file = tmp_path / "episode.jsonl.xz"
    with lzma.open(file, "wt") as lines:
        lines.write(json.dumps(episode))
    report = replay(file, shared("webshop"), 233)
    assert (
        report.differences == 1 and report.first is not None and report.first.startswith("episode 1, step 1")
    )


def test_another_seed_has_other_goals() -> None:
    report = replay(shared("webshop/golden/episodes_seed233.jsonl.xz"), shared("webshop"), 7)
    assert report.differences > 100


@pytest.mark.parametrize("contents", ["{}", "[1]", "no json"])
def test_a_foreign_recording_is_refused(tmp_path: Path, contents: str) -> None:
    file = tmp_path / "episodes.jsonl"
    file.write_text(contents)
    with pytest.raises(EnvironmentDataError, match=r"episodes\.jsonl"):
        replay(file, shared("webshop"), 233)


@pytest.mark.parametrize("contents", [b"", b"\xfd7zXZ\x00 truncated"])
def test_a_truncated_recording_is_refused_or_empty(tmp_path: Path, contents: bytes) -> None:
    file = tmp_path / "episodes.jsonl.xz"
    file.write_bytes(contents)
    with pytest.raises(EnvironmentDataError, match=r"episodes\.jsonl\.xz"):
        replay(file, shared("webshop"), 233)


def test_a_demonstration_wins() -> None:
    *before, last = rest(started())
    assert all(answer[1:4] == (0.0, False, False) and not answer[4]["won"] for answer in before)
    assert last[1:4] == (1.0, True, False) and last[4]["won"] and last[4]["score"] == 1.0
    assert last[4]["admissible_actions"] == ()


@settings(deadline=None, max_examples=150)
@given(JUNK, st.integers(0, 3))
@example("x" * 1_000_000, 1)
@example("search[" + "x " * 500_000 + "]", 2)
@example("click[" + "\x00" * 1_000_000 + "]", 2)
@example("[" * 1_000_000, 0)
@example("search[a\nb]", 1)
@example("\x1b[2J", 1)
def test_junk_changes_nothing(junk: str, steps: int) -> None:
    environment, twin = started(steps), started(steps)
    view = environment.step("look around")
    if junk.lower() in view[4]["admissible_actions"] or (junk.startswith("search[") and 8 < len(junk) < 100):
        return
    observation, reward, terminated, truncated, info = environment.step(junk)
    assert (observation, info) == (view[0], view[4])
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert rest(environment, steps=steps) == rest(twin, steps=steps)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=30).map(lambda text: f"search[{text}]"), max_size=5))
def test_any_search_is_answered(searches: list[str]) -> None:
    environment = started()
    for search in searches:
        observation, reward, terminated, _, _ = environment.step(search)
        assert observation.startswith(("Instruction: [SEP]", "WebShop [SEP]")) and (reward, terminated) == (
            0.0,
            False,
        )


@pytest.mark.parametrize("action", [None, 3, b"click[search]", ["search[x]"]])
def test_an_action_that_is_no_text_is_refused_and_changes_nothing(action: object) -> None:
    environment = started(1)
    with pytest.raises(ActionTypeError):
        environment.step(action)  # type: ignore[arg-type]
    assert rest(environment, steps=1) == rest(started(1), steps=1)


def test_a_snapshot_and_its_origin_go_on_independently() -> None:
    environment = started(2)
    twin = environment.snapshot()
    environment.step("click[back to search]")
    assert rest(twin, steps=2) == rest(started(2), steps=2)
    assert environment.step("click[search]")[0].startswith("WebShop [SEP]")


def test_twins_draw_the_same_tasks_independently() -> None:
    environment = started()
    environment.reset(seed=5)
    twin = environment.snapshot()
    drawn = [environment.reset()[1]["task_id"] for _ in range(3)]
    assert [twin.reset()[1]["task_id"] for _ in range(3)] == drawn


def test_without_a_task_the_seed_draws_a_training_task() -> None:
    shop = synthetic_shop()
    drawn = {shop.environment().reset(seed=3)[1]["task_id"] for _ in range(3)}
    assert len(drawn) == 1 and drawn <= {task.id for task in shop.tasks("train")}


def test_the_step_limit_truncates() -> None:
    environment = started(step_limit=2)
    assert environment.step("search[lamp]")[2:4] == (False, False)
    assert environment.step("junk")[2:4] == (False, True)


def test_a_purchase_at_the_step_limit_terminates() -> None:
    length = len(rest(started()))
    assert rest(started(step_limit=length))[-1][1:4] == (1.0, True, False)


def test_an_unknown_task_is_refused_by_name() -> None:
    with pytest.raises(UnknownTaskError, match="B0NOTHERE"):
        synthetic_shop().environment().reset(options={"task": "B0NOTHERE"})


def test_steps_and_snapshots_need_an_episode() -> None:
    environment = synthetic_shop().environment()
    with pytest.raises(EpisodeError):
        environment.step("search[x]")
    with pytest.raises(EpisodeError):
        environment.snapshot()


def test_a_thousand_environments_share_the_shop() -> None:
    shop = synthetic_shop()
    tasks = [task for split in shop.splits for task in shop.tasks(split)]
    environments = [shop.environment() for _ in range(1000)]
    for number, environment in enumerate(environments):
        environment.reset(options={"task": tasks[number % len(tasks)].id})
    answers = [environment.step("search[lamp]") for environment in environments]
    assert {answer[4]["task_id"] for answer in answers} == {task.id for task in tasks[:1000]}
    assert len({id(environment._catalogue) for environment in environments}) == 1
