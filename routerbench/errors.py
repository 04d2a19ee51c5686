"""The one exception that means "your input, not our code"."""


class InputError(ValueError):
    """Something the user gave is wrong; the message names it and says what to do.

    The entry points print the message alone, without a traceback.

    Args:
        message: what is wrong, and what to do.
        options: where that is to set options of ``data=table``: what ends the message, such as
            ``columns.prompt=NAME``. The commands that give these options other names replace them.
    """

    def __init__(self, message: str, *options: str) -> None:
        super().__init__(" ".join([message, *(f"data.{option}" for option in options)]))
        self.message, self.options = message, options
