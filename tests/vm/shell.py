"""One shell command in a guest: what `tests/vm/run TIER --suite SUITE -c COMMAND` does."""

import sys
import tempfile
from pathlib import Path

from guest import Dead
from vmhost import Machine

LIMIT = 600  # seconds


def main(tier, suite, command):
    with tempfile.TemporaryDirectory() as directory:
        machine = Machine(tier, Path(directory), suite)
        try:
            machine.boot()
            machine.tell({"sh": command})
            said = machine.hear(LIMIT)
            print(said["output"], end="")
            return said["done"]
        except Dead as e:
            print(f"{machine.guest.tail()}\n{e}", file=sys.stderr)
            return 1
        finally:
            machine.stop()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
