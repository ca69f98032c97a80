"""The typed configuration tree, and the command line that sets it."""
