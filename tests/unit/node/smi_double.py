#!/usr/bin/env python3
"""A stand-in for `nvidia-smi`, which writes down what it is told beside the file of the machine's GPUs.

Where `$FAKE_NVML.smi-says` stands, it says what is in there: its first line is the exit status, the rest the words.
"""

import os
import sys
from pathlib import Path

machine = os.environ["FAKE_NVML"]
with Path(f"{machine}.smi").open("a") as heard:
    heard.write(" ".join(sys.argv[1:]) + "\n")
says = Path(f"{machine}.smi-says")
if says.exists():
    status, _, words = says.read_text().partition("\n")
    print(words)
    sys.exit(int(status))
