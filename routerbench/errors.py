"""The exception for invalid user input."""


class InputError(ValueError):
    """Invalid user input; the message says what is wrong and what to do.

    The entry points print the message without a traceback.

    Args:
        message: what is wrong, and what to do.
        options: options of ``data=table`` that the user should set, such as ``columns.prompt=NAME``; appended to the
            message. Commands that use other names for these options replace them.
    """

    def __init__(self, message: str, *options: str) -> None:
        super().__init__(" ".join([message, *(f"data.{option}" for option in options)]))
        self.message, self.options = message, options
