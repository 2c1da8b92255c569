"""What tests/bench/engines runs in its guest: inside.py TURNS. The last line is JSON."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import engines  # noqa: E402

WARM = 3  # turns that do not count
ENGINES = ("podman", "docker")


def milliseconds(engine):
    begin = time.monotonic()
    engine.ok(*engine.container("--rm", "--network", "none"), engines.IMAGE, "true")
    return (time.monotonic() - begin) * 1000


def version(command):
    """The first word that begins with a digit."""
    said = subprocess.run([command, "--version"], text=True, capture_output=True, check=True).stdout
    return next(word.strip(",") for word in said.split() if word[0].isdigit())


def main(turns):
    found = {}
    for name in ENGINES:
        ready = [engines.ENGINES[name](runtime).warm() for runtime in engines.RUNTIMES]
        times = {engine.runtime: [] for engine in ready}
        for turn in range(WARM + turns):
            # Another one begins each time.
            for engine in ready[turn % len(ready):] + ready[:turn % len(ready)]:
                took = milliseconds(engine)
                if turn >= WARM:
                    times[engine.runtime].append(took)
        found[name] = times
    print(json.dumps({"ms": found, "warm": WARM, "kernel": os.uname().release,
                      "versions": {c: version(c) for c in (*ENGINES, *engines.RUNTIMES)}}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
