"""Ties a process to the one that started it: it is asked to end when its parent dies. Run as a script, by path.

`python -I -S leash.py PARENT PROGRAM ARGUMENT...` becomes PROGRAM. Only Linux knows such a tie; elsewhere the next
`gladhand up` finds the orphans by their recorded identity. A script of its own, because running Python code between
fork and exec is not safe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, line: list[str]) -> None:
    """Tie, then become the program. Does nothing where the parent is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            return
    os.execvp(line[0], line)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
