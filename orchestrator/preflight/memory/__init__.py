"""Estimates the memory that each service of a configuration takes, before anything is loaded."""
