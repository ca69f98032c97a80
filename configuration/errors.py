"""What a person did wrong on the command line or in a configuration file."""


class ConfigurationError(Exception):
    """A message for people: what was wrong, and what is accepted. Commands print it and exit with 2."""
