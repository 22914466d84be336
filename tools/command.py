"""What starts a command of the package from a script of its name."""

import sys
from pathlib import Path

# In a clone its own package counts, installed or not, and no other copy.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vdfd_seg.cli import run_command


def run(script: str) -> None:
    """Run the command that a script is named after, and leave with its status."""
    sys.exit(run_command(Path(script).stem))
