"""The command line: what is accepted, and how what is not is refused."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.command import SHORT_NAMES, read
from configuration.files import to_toml
from configuration.keys import keys
from configuration.section import Section
from configuration.tree import Configuration
from core.errors import ConfigurationError


class Flags(Section):
    dry_run: bool = False
    """Only checks."""
    ready_file: str | None = None
    """Written when the server listens."""


def test_values_come_from_the_file_and_then_from_the_command_line(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('[planner]\nthreads = 3\nmax_batch = 4\n[environment.generator]\nhorizon = "long"\n')
    line = read(["--config", str(file), "--planner.threads", "5", "--ppo.clip=0.3"], "test")
    assert line.configuration.planner.threads == 5
    assert line.configuration.planner.max_batch == 4
    assert line.configuration.environment.generator.horizon == "long"
    assert line.configuration.ppo.clip == 0.3
    assert line.configuration.executor == Configuration().executor


def test_short_names_set_their_keys(tmp_path):
    line = read(
        ["--run-dir", str(tmp_path), "--resume", "--no-warm-start", "--model", "m", "--max-lag", "2"], "test"
    )
    assert line.configuration.run.dir == tmp_path
    assert line.configuration.run.resume
    assert not line.configuration.imitation.enabled
    assert line.configuration.executor.model == line.configuration.learner.model == "m"
    assert line.configuration.learner.max_lag == 2


def test_flags_and_arguments_are_kept_apart_from_the_configuration():
    line = read(["folder", "--dry-run", "7", "--ready-file", "r.json"], "test", Flags, arguments=2)
    assert line.flags == Flags(dry_run=True, ready_file="r.json")
    assert line.arguments == ("folder", "7")


def test_lists_are_written_with_commas_and_optional_values_with_none():
    line = read(["--lora.targets", "q_proj, v_proj", "--planner.address", "none"], "test")
    assert line.configuration.lora.targets == ("q_proj", "v_proj")
    assert line.configuration.planner.address is None


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--planer.model", "x"], "unknown option --planer.model. Did you mean --planner.model?"),
        (["--threads", "2"], "Did you mean --planner.threads?"),
        (["--learner.updates", "many"], "learner.updates = 'many'"),
        (["--learner.updates"], "--learner.updates needs a value"),
        (
            ["--planner.engine", "tensorrt"],
            "planner.engine = 'tensorrt': Input should be 'embedded' or 'vllm'",
        ),
        (["--planner.model", "other"], "--model sets all three"),
        (["stray"], "unexpected argument 'stray'"),
        (["--config", "/no/such/file.toml"], "cannot read the configuration file"),
    ],
)
def test_a_mistake_is_named_with_what_is_accepted(argv, message):
    with pytest.raises(ConfigurationError) as refused:
        read(argv, "test")
    assert message in str(refused.value)


def test_an_unknown_key_in_a_file_is_refused_with_the_nearest(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("[learner]\nepisode_per_update = 3\n")
    with pytest.raises(ConfigurationError, match="Did you mean learner.episodes_per_update"):
        read(["--config", str(file)], "test")


def test_the_configuration_as_used_is_read_back_the_same(tmp_path):
    configuration = read(["--seed", "7", "--planner.address", "host:1"], "test").configuration
    file = tmp_path / "used.toml"
    file.write_text(to_toml(configuration))
    assert tomllib.loads(file.read_text())["run"]["seed"] == 7
    assert read(["--config", str(file)], "test").configuration == configuration


def test_the_base_of_a_command_is_not_changed_by_reading():
    base = {"learner": {"updates": 5}}
    line = read(["--learner.updates", "6"], "test", base=base)
    assert line.configuration.learner.updates == 6
    assert base == {"learner": {"updates": 5}}


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.text(max_size=12) | st.sampled_from(["--ppo.clip", "--seed", "--help=", "--planner.tls.key"]),
        max_size=5,
    )
)
def test_any_words_are_either_read_or_refused_in_words(words):
    if "--help" in words or "-h" in words:
        return
    try:
        line = read(words, "test", Flags, arguments=9)
    except ConfigurationError as error:
        assert str(error)
    else:
        assert isinstance(line.configuration, Configuration)


def test_every_short_name_sets_keys_that_exist():
    known = {key.name for key in keys(Configuration)}
    assert {key for sets in SHORT_NAMES.values() for key in sets} <= known


def test_every_key_says_what_it_means():
    assert [key.name for key in keys(Configuration) if not key.help] == []
