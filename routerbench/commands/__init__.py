"""The commands of `python -m routerbench`; one module per word, with `add` (its options) and `run`."""
