"""docs/RUNBOOK.md: every alert leads to a section, every section belongs to an alert, every link
ends somewhere, and every command and metric it names exists."""

import re

from checks import ROOT, check
from checks.alerts import alerts, metrics

RUNBOOK = ROOT / "docs" / "RUNBOOK.md"
GENERAL = {"Where to type", "waybill doctor", "waybill audit"}
# what the tool can do; the runbook must not send anyone to a command that is not there
COMMANDS = {
    "apply", "audit list", "audit verify", "dead discard", "dead groups", "dead list", "dead replay",
    "dead show", "doctor", "message show", "migrate", "reconcile", "report", "serve", "source pause",
    "source resume", "source rotate-key", "source silence", "topology apply", "topology check",
    "user add", "user disable", "user password",
}
PARTS = ("**Means.**", "**First minute.**", "**Mend.**")


def sections():
    """Heading: text, for each section of the second level."""
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@check("runbook.sections")
def matching():
    anchors = {anchor(heading) for heading in sections()}
    for name, rules in alerts().items():
        for rule in rules:
            url = rule.get("annotations", {}).get("runbook_url", "")
            path, _, fragment = url.partition("#")
            if path != "docs/RUNBOOK.md" or fragment not in anchors or fragment != anchor(name):
                yield f"{name}: runbook_url {url} is no section of its own in docs/RUNBOOK.md"
    for heading, text in sections().items():
        if heading in GENERAL:
            continue
        if heading not in alerts():
            yield f"{heading}: no alert leads to this section"
        for part in PARTS:
            if part not in text:
                yield f"{heading}: says nothing under {part.strip('*.')}"


@check("runbook.links")
def links():
    anchors = {anchor(heading) for heading in sections()}
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK.read_text()):
        path, _, fragment = target.partition("#")
        if path and not (RUNBOOK.parent / path).exists():
            yield f"{path} does not exist"
        if not path and fragment not in anchors:
            yield f"no section #{fragment}"


@check("runbook.commands")
def commands():
    text = RUNBOOK.read_text()
    known = metrics()
    for metric in sorted(set(re.findall(r"`(waybill_\w+)`", text)) - known.keys()):
        yield f"{metric} is not in metrics.tsv"
    for span, line in re.findall(r"`([^`]+)`|^    (.+)$", text, flags=re.MULTILINE):
        words = (span or line).split()
        if words[0] == "waybill" and not {words[1], " ".join(words[1:3])} & COMMANDS:
            yield f"waybill {' '.join(words[1:3])} is no command of this version"
