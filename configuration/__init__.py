"""The typed configuration tree, and paths as the user means them."""
