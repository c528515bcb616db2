#!/usr/bin/env python3
"""A stand-in for `nvidia-cuda-mps-control`, which answers as NVIDIA's does and writes down what it was told.

After docs.nvidia.com/deploy/mps (appendix "Tools and Interface Reference"): with `-d` it starts a daemon that writes
nvidia-cuda-mps-control.pid into CUDA_MPS_PIPE_DIRECTORY; without, it reads commands, and where no daemon runs it says
"Cannot find MPS control daemon process" and ends with 1. `get_server_list` prints nothing before a client has come.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

pipes = Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"])
record = pipes / "nvidia-cuda-mps-control.pid"
heard = Path(os.environ.get("CUDA_MPS_LOG_DIRECTORY") or pipes) / "heard"
threads = pipes / "threads"


def daemon() -> int | None:
    try:
        pid = int(record.read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else pid


if sys.argv[1:] == ["-d"]:
    if daemon():
        sys.exit("An instance of this daemon is already running")
    devnull = subprocess.DEVNULL
    started = subprocess.Popen(["sleep", "600"], stdin=devnull, stdout=devnull, stderr=devnull, start_new_session=True)
    record.write_text(str(started.pid))
    heard.open("a").write(f"devices {os.environ['CUDA_VISIBLE_DEVICES']}\n")
    sys.exit(0)
pid = daemon()
if pid is None:
    print("Cannot find MPS control daemon process")
    sys.exit(1)
for line in sys.stdin:
    command = line.strip()
    heard.open("a").write(f"{command}\n")
    if re.fullmatch(r"quit( -t \d+)?", command):
        os.kill(pid, signal.SIGTERM)
        record.unlink()
    elif found := re.fullmatch(r"set_default_active_thread_percentage (\d+)", command):
        threads.write_text(found[1])
    elif command == "get_default_active_thread_percentage":
        print(float(threads.read_text()) if threads.exists() else 100.0)
    elif not re.fullmatch(r"get_server_list|set_default_device_pinned_mem_limit \d+ \d+[MG]", command):
        print(f"Unrecognized command: {command}")
        sys.exit(1)
