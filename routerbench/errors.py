"""The one exception that means "your input, not our code"."""


class InputError(ValueError):
    """Something the user gave is wrong; the message names it and says what to do.

    The entry points print the message alone, without a traceback.
    """
