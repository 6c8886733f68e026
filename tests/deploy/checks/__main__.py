"""Runs every check and prints one line for each. With --full, a check that lacks a program fails
instead of being skipped; only what lies outside the repository may still be absent."""

import sys

from checks import CHECKS, Skip
from checks import alerts, compose, dashboards, keda, kubernetes, references, runbook  # noqa: F401  (registers)


def run(name, function, full):
    try:
        complaints = list(function())
    except Skip as missing:
        absent_outside = "../shared" in str(missing)
        if full and not absent_outside:
            complaints = [str(missing)]
        else:
            print(f"skip {name}: {missing}")
            return True
    except Exception as error:  # a check that breaks has not passed
        complaints = [f"{type(error).__name__}: {error}"]
    if complaints:
        print(f"FAIL {name}: " + "; ".join(" ".join(str(c).split()) for c in complaints))
        return False
    print(f"ok {name}")
    return True


def main():
    full = "--full" in sys.argv[1:]
    passed = [run(name, function, full) for name, function in CHECKS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
