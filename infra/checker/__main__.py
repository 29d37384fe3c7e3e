"""`python -m infra.checker`: says what is wrong with the deployment, and with what exit code."""

import sys
from pathlib import Path

from infra.checker.check import check

found = check(Path(__file__).resolve().parents[2])
for finding in found:
    print(finding)
sys.exit(bool(found))
