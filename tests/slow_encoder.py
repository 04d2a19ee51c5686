"""An encoder that takes its time, so that a process can be killed in the middle of its work."""

import os
import time

from routerbench.encoders.hashing import HashingEncoder


class SlowEncoder(HashingEncoder):
    """Takes ``SECONDS`` for each block of texts."""

    def encode(self, prompts):
        time.sleep(float(os.environ["SECONDS"]))
        return super().encode(prompts)
