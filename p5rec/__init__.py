"""p5rec: a unified generative recommender with parameter-efficient fine-tuning."""

import logging
import os

# the libraries below report their use to their makers unless told otherwise
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# it warns while peft imports it, of a faster kernel that would come from the network
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

__version__ = "0.1.0"
