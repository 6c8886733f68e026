"""What the files of deployment and alerting must fulfil. Each check is a function that yields its
complaints; none means ok. They read files and run renderers; they never start or change anything."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
OBSERVABILITY = DEPLOY / "observability"
CACHE = ROOT / ".dev" / "cache" / "deploy"
SHARED = ROOT.parent / "shared"

CHECKS = []


class Skip(Exception):
    """This check cannot run here; says what is missing."""


def check(name):
    """Registers a check under the name that is printed."""

    def register(function):
        CHECKS.append((name, function))
        return function

    return register


def tool(name):
    """The path of a program, the obtained one first; None where there is none."""
    obtained = CACHE / "bin" / name
    return str(obtained) if obtained.exists() else shutil.which(name)
