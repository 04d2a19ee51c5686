"""A slow encoder, so that a process can be killed while it encodes."""

import os
import time

from routerbench.encoders.hashing import HashingEncoder


class SlowEncoder(HashingEncoder):
    """Takes ``SECONDS`` for each block of texts."""

    def encode(self, prompts):
        time.sleep(float(os.environ["SECONDS"]))
        return super().encode(prompts)
