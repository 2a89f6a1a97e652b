"""Where a run is made: versions, threads, device and the commit of this code."""

from __future__ import annotations

import contextlib
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch


def environment(device: torch.device) -> dict[str, Any]:
    """Where a result comes from: versions, threads, device and the commit of this code."""
    import ignite

    import clr_ignite

    cuda = device.type == "cuda"
    return {
        "clr_ignite": clr_ignite.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "ignite": ignite.__version__,
        "device": torch.cuda.get_device_name(device) if cuda else f"{device.type}, {processor()}",
        "threads": torch.get_num_threads(),
        **(_on_cuda() if cuda else {}),
    }


def _on_cuda() -> dict[str, Any]:
    return {
        # Whether convolutions round their factors to TensorFloat-32, torch's default.
        "tf32": torch.backends.cudnn.allow_tf32,
        # Whether the same place gives the same bits again.
        "repeatable": torch.are_deterministic_algorithms_enabled(),
    }


def commit() -> str | None:
    """This code's git commit, ``+changes`` behind it where the tree differs; None outside git."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):
            return None  # installed inside somebody else's repository
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "..")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def processor() -> str:
    """The processor's name as Linux gives it, else the machine type."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
