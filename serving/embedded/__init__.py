"""The embedded engine: transformers' model code, with our own continuous batching at the level of tokens."""
