"""Estimators compared by what they teach the nano model in equally many episodes."""
