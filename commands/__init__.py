"""The command `hiper`, which names all other commands and passes on to them."""
