"""Messages for values in a file that are refused: key, what was found, what is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from configuration.command import parse, read
from configuration.section import Section
from configuration.syntax import NoSections, Syntax
from core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[lerner]\nupdates = 3", "unknown key lerner. Did you mean learner?"),
        ("[learner]\nupdate = 3", "unknown key learner.update. Did you mean learner.updates?"),
        (
            "[estimator.keep]\nmode = 'none'",
            "unknown key estimator.keep. Did you mean estimator.keep_penalty?",
        ),
        ("[run]\nupdates = 3", "unknown key run.updates. Did you mean learner.updates?"),
        ("learner = 3", "learner = 3: accepted is a section with keys of its own"),
        ("[learner]\nupdates = 'many'", "learner.updates = 'many': accepted is a whole number"),
        ("[learner]\nupdates = [1]", "learner.updates = [1]: accepted is a whole number"),
        ("[learner]\nupdates = 1.5", "learner.updates = 1.5: accepted is a whole number"),
        ("[learner]\nupdates = 0", "learner.updates = 0: accepted is at least 1"),
        ("[imitation]\nmistakes = 1.0", "imitation.mistakes = 1.0: accepted is less than 1"),
        ("[ppo]\nlearning_rate = nan", "ppo.learning_rate = nan: accepted is a finite number"),
        ("[run]\ntensorboard = 'perhaps'", "run.tensorboard = 'perhaps': accepted is true or false"),
        ("[planner]\nmodel = 3", "planner.model = 3: accepted is a text"),
        ("[lora]\ntargets = 'q_proj'", "lora.targets = 'q_proj': accepted is a list"),
        ("[executor]\ngpus = ['a']", "executor.gpus.0 = 'a': accepted is a whole number"),
        ("[ppo]\nimportance_band = [1]", "ppo.importance_band = [1]: accepted are 2 values"),
        ("[estimator]\nestimator = 'hea'", "accepted is hae, gae, dgae, grpo or gigpo. Did you mean hae?"),
    ],
)
def test_a_value_of_a_file_is_refused_with_what_is_accepted(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read(["--config", str(file)], "test")
    assert message in str(refused.value)


def test_an_option_of_a_command_is_named_as_it_is_typed() -> None:
    class Flags(Section):
        ready_seconds: int = 0
        """Seconds."""

    with pytest.raises(ConfigurationError, match="--ready-seconds = 'soon': accepted is a whole number"):
        parse(["--ready-seconds", "soon"], Syntax("test", NoSections, Flags))
