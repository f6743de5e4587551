"""One attack as a process: `python -m bench.abuse.attacker NAME PORT SECONDS` prints what it did as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from bench.abuse.attacks import ATTACKS

if __name__ == "__main__":
    name, port, seconds = sys.argv[1:]
    print(json.dumps(asdict(ATTACKS[name](int(port), float(seconds)))))
