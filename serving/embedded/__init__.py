"""The embedded engine: transformers' own model code under a token-level continuous batch of ours."""
