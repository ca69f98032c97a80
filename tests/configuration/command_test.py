"""The command line: what is accepted, and how what is not is refused."""

import signal
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.command import SHORT_NAMES, main, parse, read
from configuration.files import to_toml
from configuration.keys import keys
from configuration.section import Section
from configuration.syntax import Argument, NoSections, Syntax
from configuration.tree import Configuration
from core.errors import ConfigurationError, HiperError, InvalidInputError, UnavailableError
from core.exit_codes import Interrupted


class Flags(Section):
    dry_run: bool = False
    """Only checks."""
    ready_file: str | None = None
    """Written when the server listens."""


class Options(Section):
    careful: bool = True
    """Looks twice."""
    sizes: tuple[int, ...] = (1,)
    """Any number of them."""
    out: Path | None = None
    """Where to."""
    runs: tuple[Path, ...] = ()
    """From where."""


PLAIN = Syntax(
    "test",
    Configuration,
    Flags,
    arguments=(Argument("DIR", "a folder"), Argument("NUMBER", "a number", required=False)),
)
KEYED = Syntax(
    "keyed",
    Configuration,
    Options,
    arguments=(Argument("NAME", "a benchmark", key="environment.name"), Argument("FILE", "a file")),
)


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


def test_without_a_hierarchy_nothing_is_penalised_for_keeping():
    alone = ["--no-hierarchy", "--estimator.keep_penalty.mode", "none"]
    assert not read(alone, "test").configuration.planner.hierarchy
    with pytest.raises(InvalidInputError, match="keep_penalty.mode = none is needed"):
        read(["--no-hierarchy"], "test")


@pytest.mark.parametrize("role", ["planner", "executor"])
def test_no_server_sleeps_while_episodes_are_played_during_updates(role):
    sleeps = [f"--{role}.sleep_while_updating", "true"]
    assert getattr(read(sleeps, "test").configuration, role).sleep_while_updating
    message = (
        rf"{role}.sleep_while_updating = true: with learner.max_lag = 1, .* learner.max_lag = 0 is needed"
    )
    with pytest.raises(InvalidInputError, match=message):
        read([*sleeps, "--max-lag", "1"], "test")


def test_weights_in_four_bits_are_not_divided_among_ranks():
    divided = ["--learner.shard_base", "true", "--learner.ranks", "2"]
    divided += ["--learner.gradient_checkpointing", "true"]
    assert read(divided, "test").configuration.learner.quantization == "none"
    with pytest.raises(InvalidInputError, match="4 bits cannot .* learner.shard_base = false is needed"):
        read([*divided, "--learner.quantization", "nf4"], "test")


def test_flags_and_arguments_are_kept_apart_from_the_configuration():
    line = parse(["folder", "--dry-run", "7", "--ready_file", "r.json"], PLAIN)
    assert line.flags == Flags(dry_run=True, ready_file="r.json")
    assert line.arguments == ("folder", "7")
    assert line.configuration == Configuration()


def test_lists_are_written_with_commas_and_optional_values_with_none():
    line = read(["--lora.targets", "q_proj, v_proj", "--planner.address", "none"], "test")
    assert line.configuration.lora.targets == ("q_proj", "v_proj")
    assert line.configuration.planner.address is None


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--planer.model", "x"], "unknown option --planer.model. Did you mean --planner.model?"),
        (["--threads", "2"], "Did you mean --planner.threads?"),
        (["--learner.updates", "many"], "learner.updates = 'many': accepted is a whole number"),
        (["--learner.updates", "0"], "learner.updates = '0': accepted is at least 1"),
        (["--learner.updates"], "--learner.updates needs a value: Number of updates"),
        (["--config"], "--config needs a value, a TOML file"),
        (["--ppo.learning_rate", "fast"], "ppo.learning_rate = 'fast': accepted is a number"),
        (["--tensorboard=maybe"], "run.tensorboard = 'maybe': accepted is true or false"),
        (["--planner.engine", "tensorrt"], "planner.engine = 'tensorrt': accepted is embedded or vllm."),
        (["--estimator", "hea"], "accepted is hae, gae, dgae, grpo or gigpo. Did you mean hae?"),
        (["--planner.address", "localhost"], "planner.address = 'localhost': accepted is host:port"),
        (["--learner.listen", "host:99999"], "accepted is host:port, such as 127.0.0.1:50051"),
        (["--executor.address", "a:1,b"], "executor.address = 'a:1,b'"),
        (["--learner.metrics_port", "70000"], "learner.metrics_port = '70000': accepted is at most 65535"),
        (["--planner.model", "other"], "--model sets all three"),
        (["stray"], "unexpected argument 'stray'"),
        (["-seed", "3"], "unknown option -seed. Did you mean --seed?"),
        (["--", "3"], "unknown option --."),
        (["--data", "~nobody-of-this-name/x"], "'~nobody-of-this-name/x' is not a path"),
        (["--config", "/no/such/file.toml"], "--config /no/such/file.toml: there is no file"),
        (
            ["--estimator.normalize", "true"],
            "--estimator.normalize is a section; accepted are its keys: --estimator.normalize.low, "
            "--estimator.normalize.high, --estimator.normalize.switch, --estimator.normalize.deviation. ",
        ),
        (["--lora=8"], "--lora is a section; accepted are its keys: --lora.rank, --lora.alpha, "),
        (
            ["--planner.tls", "x"],
            "--planner.tls is a section; accepted are its keys: --planner.tls.certificate",
        ),
        (["--run.dir="], "run.dir = '': accepted is a path that is not empty; `.` is the current folder"),
        (["--run-dir", ""], "run.dir = '': accepted is a path that is not empty"),
        (["--planner.tls.key="], "planner.tls.key = '': accepted is a path that is not empty"),
        (["--model="], "learner.model = '': accepted is a text that is not empty"),
        (["--run.wandb="], "run.wandb = '': accepted is a text that is not empty"),
        (["--config="], "--config : there is no file "),
        (["--config", "nano.toml"], "Did you mean presets/nano.toml?"),
    ],
)
def test_a_mistake_is_named_with_what_is_accepted(argv, message):
    with pytest.raises(InvalidInputError) as refused:
        read(argv, "test")
    assert message in str(refused.value)


def test_an_unknown_key_in_a_file_is_refused_with_the_nearest(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("[learner]\nepisode_per_update = 3\n")
    with pytest.raises(ConfigurationError, match="Did you mean learner.episodes_per_update"):
        read(["--config", str(file)], "test")


def test_an_empty_path_in_a_file_is_refused(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('[run]\ndir = ""\n[imitation]\nteacher = "adviser"\nepisodes = ["a", ""]\n')
    with pytest.raises(ConfigurationError) as refused:
        read(["--config", str(file)], "test")
    for named in ("run.dir = ''", "imitation.episodes = ['a', '']"):
        assert f"{named}: accepted is a path that is not empty" in str(refused.value)


def test_an_empty_path_of_a_flag_is_refused():
    class Flags(Section):
        out: Path | None = None

    for words in (["--out="], ["--out", ""]):
        with pytest.raises(ConfigurationError, match="^--out = '': accepted is a path that is not empty"):
            parse(words, Syntax("test", NoSections, Flags))


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
        line = parse(words, PLAIN)
    except InvalidInputError as error:
        assert str(error)
    else:
        assert isinstance(line.configuration, Configuration)


def test_every_short_name_sets_keys_that_exist():
    known = {key.name for key in keys(Configuration)}
    assert {key for sets in SHORT_NAMES.values() for key in sets} <= known


class SplitFlags(Section):
    split: str = "valid"
    """Splits of this command."""


def test_an_option_of_the_command_hides_the_short_name_that_is_written_like_it(capsys):
    with pytest.raises(SystemExit):
        read(["--help"], "evaluate", SplitFlags)
    shown = capsys.readouterr().out
    assert "Splits of this command." in shown
    assert "sets orchestrator.split" not in shown
    assert "sets run.seed" in shown


def test_every_key_says_what_it_means():
    assert [key.name for key in keys(Configuration) if not key.help] == []


@pytest.mark.parametrize(
    ("words", "name", "arguments"),
    [
        (["webshop", "f"], "webshop", ("f",)),
        (["--environment.name", "webshop", "f"], "webshop", ("f",)),
        (["f", "--environment.name=webshop"], "webshop", ("f",)),
    ],
)
def test_a_plain_argument_may_set_a_key(words, name, arguments):
    line = parse(words, KEYED)
    assert (line.configuration.environment.name, line.arguments) == (name, arguments)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "NAME is missing: a benchmark. usage: keyed NAME FILE"),
        (["webshop"], "FILE is missing: a file. usage: keyed NAME FILE"),
        (["webshop", "f", "g"], "unexpected argument 'g'"),
        (["webshop", "f", "--careful"], "--careful needs a value"),
        (["webshop", "f", "--sizes", "1,b"], "sizes.1 = 'b'"),
    ],
)
def test_a_missing_and_an_extra_argument_are_named(words, message):
    with pytest.raises(ConfigurationError) as refused:
        parse(words, KEYED)
    assert message in str(refused.value)


def test_flags_are_lists_paths_and_switches_like_keys(tmp_path, monkeypatch):
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    words = ["--sizes", "3, 4", "--out=there", "--careful", "false", "--runs", "one, /two"]
    flags = parse(words, Syntax("test", NoSections, Options)).flags
    runs = (tmp_path / "one", Path("/two"))
    assert flags == Options(careful=False, sizes=(3, 4), out=tmp_path / "there", runs=runs)
    assert parse(["--out", "none"], Syntax("test", NoSections, Options)).flags == Options()


def vllm_options(*words):
    return read(["--engine", "vllm", *words], "test").configuration.planner.vllm


def test_options_of_vllm_are_entries_of_a_table(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("[planner.vllm]\nenforce_eager = true\nquantization = 'fp8'\nhf_overrides = {a = 1}\n")
    given = vllm_options(
        *("--config", str(file), "--planner.vllm.tensor-parallel-size", "2"),
        *("--planner.vllm.quantization=none", "--planner.vllm.hf_overrides.rope-scaling", "x"),
    )
    assert given == {
        "enforce_eager": True,
        "tensor_parallel_size": 2,
        "hf_overrides": {"a": 1, "rope-scaling": "x"},
    }
    assert vllm_options("--config", str(file), "--planner.vllm", "none") == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("0.4", 0.4),
        ("True", True),
        ("fp8", "fp8"),
        ("NaN", "NaN"),
        ("[1, 2]", [1, 2]),
        ('{"level": 3}', {"level": 3}),
        ('"2"', "2"),
        ("{3", "{3"),
    ],
)
def test_the_value_of_an_option_of_vllm_is_json_or_a_text(text, value):
    assert vllm_options("--planner.vllm.some_option", text) == {"some_option": value}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--planner.vllm.max_model_len", "9"], "vLLM's max_model_len is set by the key context_length"),
        (["--planner.vllm.dtype", "half"], "vLLM's dtype is set by the key dtype"),
        (["--planner.vllm.enable_lora", "false"], "vLLM's enable_lora cannot be set: adapters are always"),
        (["--planner.vllm.gpu_memory_utilization", "1.2"], "a share above 0 and up to 1 is needed"),
        (["--planner.vllm.gpu_memory_utilization", "true"], "a share above 0 and up to 1 is needed"),
        (["--planner.vllm.x", "[null]"], "a list with null in it"),
        (["--planner.vllm", "3"], "planner.vllm = 3: accepted is a section with keys of its own"),
        (["--planner.vllm.", "3"], "unknown option --planner.vllm.."),
        (["--planner.vlm.x", "3"], "unknown option --planner.vlm.x. Did you mean --planner.vllm?"),
        (["--planner.engine", "embedded", "--planner.vllm.x", "3"], "need engine = vllm"),
    ],
)
def test_options_that_vllm_must_not_be_given_are_refused(words, message):
    with pytest.raises(ConfigurationError) as refused:
        vllm_options(*words)
    assert message in str(refused.value)


def test_a_command_without_sections_has_no_file():
    with pytest.raises(ConfigurationError, match="unknown option --config"):
        parse(["--config", "x"], Syntax("test", NoSections, Options))


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(key.name for key in keys(Configuration))), st.integers(0, 60), st.characters())
def test_a_typing_error_in_any_key_is_refused(name, place, letter):
    wrong = f"{name[:place]}{letter}{name[place:]}"
    with pytest.raises(InvalidInputError, match="(unknown option|unexpected argument) "):
        read([f"--{wrong}", "1"] if "=" not in wrong else [f"--x{wrong}"], "test")


def test_a_file_with_a_value_in_place_of_a_section_is_refused(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("planner = 3\n")
    with pytest.raises(ConfigurationError, match="planner = 3"):
        read(["--config", str(file), "--planner.threads", "2"], "test")


def ended(monkeypatch, error):
    """The exit code of a command that ends with this error."""

    def run(argv):
        assert argv == ["word"]
        raise error

    monkeypatch.setattr(sys, "argv", ["program", "word"])
    with pytest.raises(SystemExit) as end:
        main(run)
    return end.value.code


def noted(error, note):
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (ConfigurationError("no"), 2, "error: no\n"),
        (HiperError("no"), 1, "error: no\n"),
        (noted(UnavailableError("down"), "Try again"), 1, "error: down\nTry again\n"),
        (Interrupted(signal.SIGTERM), 143, "interrupted\n"),
        (noted(Interrupted(signal.SIGINT), "Resume it"), 130, "interrupted\nResume it\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_command_ends_with_one_line_and_a_code(monkeypatch, capsys, error, code, printed):
    assert ended(monkeypatch, error) == code
    assert capsys.readouterr().err == printed


def test_a_defect_of_ours_is_shown_whole(monkeypatch):
    def run(_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(ZeroDivisionError):
        main(run)


def test_an_option_sets_one_section_where_the_defaults_of_two_are_one_table() -> None:
    shared = {"history": 7}
    base = {"planner": shared, "executor": shared}
    settings = read(["--planner.history=3"], "test", base=base).configuration
    assert (settings.planner.history, settings.executor.history) == (3, 7)
    assert shared == {"history": 7}
