"""An encoder that takes its time, so that a process can be killed in the middle of its work."""

import time

from routerbench.encoders.hashing import HashingEncoder


class SlowEncoder(HashingEncoder):
    """A second for each block of texts."""

    def encode(self, prompts):
        time.sleep(1)
        return super().encode(prompts)
