"""Commands of ``python -m routerbench``; each module has ``add``, which defines its arguments, and ``run``."""
