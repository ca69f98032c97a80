"""How much memory each service of a configuration takes, worked out before anything is loaded."""
