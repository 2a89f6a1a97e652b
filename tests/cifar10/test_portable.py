"""Where the system is not Linux: no flock, no affinity, no signal masks, no /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# What Windows and macOS lack, hidden before anything is imported.
HIDDEN = """
import os, signal, sys
for module in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[module] = None
for name in ("sched_getaffinity", "sched_setaffinity", "fork", "O_NOFOLLOW", "O_NONBLOCK"):
    delattr(os, name)
for name in ("pthread_sigmask", "SIGKILL", "SIGUSR1", "SIGALRM", "setitimer", "alarm"):
    delattr(signal, name)
"""
COMMANDS = (
    "train --model quick --schedule Fixed(0.001) --iterations 2 --batch-size 5 --out train",
    "range-test --model quick --iterations 3 --batch-size 5 --hold-out 5 --out range-test",
    "reproduce quick-caffe --data digits --iterations 2 --out reproduce",
)


def test_the_commands_run_without_what_only_unix_has(tmp_path: Path) -> None:
    script = f"""{HIDDEN}
from clr_ignite.cifar10.__main__ import main
for command in {COMMANDS * 2}:  # the second time each finds what the first left
    assert main([*command.split(), "--no-progress"]) == 0, command
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent.parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"train", "range-test", "reproduce"}
    assert not list(tmp_path.rglob("*.tmp*"))
