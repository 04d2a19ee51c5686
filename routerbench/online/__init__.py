"""Bandits that learn while serving, when only the outcome of the called model is known."""
