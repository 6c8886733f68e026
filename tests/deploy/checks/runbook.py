"""docs/RUNBOOK.md: every alert leads to a section, every section belongs to an alert, every link
ends somewhere, and every command and metric it names exists. docs/ON-CALL.md: every alert has its
line, every class of failure and reason of RabbitMQ its section; links, commands and metrics as above."""

import re

from checks import ROOT, check
from checks.alerts import alerts, metrics

RUNBOOK = ROOT / "docs" / "RUNBOOK.md"
ON_CALL = ROOT / "docs" / "ON-CALL.md"
GENERAL = {
    "Where to type", "waybill doctor", "waybill audit", "Replay plans", "Finding a message",
    "The pack of an incident", "waybill top", "waybill config",
}
# what the tool can do; nobody must be sent to a command that is not there
COMMANDS = {
    "apply", "audit list", "audit verify", "completions", "config check", "config print", "dead discard", "dead edit", "dead groups", "dead list",
    "dead replay", "dead show", "dead undo", "doctor", "message find", "message show",
    "man", "message timeline", "migrate", "plan cancel", "plan list", "plan pause", "plan resume", "plan show",
    "plan start", "reconcile", "report", "serve", "source pause", "source resume", "source rotate-key",
    "source show", "source silence", "top", "topology apply", "topology check", "topology render", "user add", "user disable",
    "user password", "user sessions",
}
PARTS = ("**Means.**", "**First minute.**", "**Mend.**")
CLASS_PARTS = ("**You see.**", "**Why.**", "**Type.**", "**It worked when.**")
# the part of ON-CALL.md with the alerts of each severity, and the number of its columns
SEVERITIES = {"page": "Alerts that page", "ticket": "Alerts that can wait for the morning"}
COLUMNS = 5


def sections(page=RUNBOOK, level="##"):
    """Heading: text, for each section of that level, the second if not told."""
    parts = re.split(rf"^{level} (.+)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def dead_links(page):
    """What the links of a page lead to and is not there: a file, or a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, fragment = target.partition("#")
        there = page.parent / path if path else page
        if not there.exists():
            yield f"{path} does not exist"
        elif fragment:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), flags=re.MULTILINE)
            if fragment not in map(anchor, headings):
                yield f"no section {target}"


def unknown_names(page):
    """Metrics and commands that a page names and that do not exist; `a|b` is either."""
    text = page.read_text()
    for metric in sorted(set(re.findall(r"\bwaybill_\w+", text)) - metrics().keys()):
        yield f"{metric} is not in metrics.tsv"
    for span, line in re.findall(r"`([^`]+)`|^    (.+)$", text, flags=re.MULTILINE):
        words = (span or line).split()
        if words[0] != "waybill" or len(words) < 2:
            continue
        for verb in (words[2] if len(words) > 2 else "").split("|"):
            if not {words[1], f"{words[1]} {verb}"} & COMMANDS:
                yield f"waybill {words[1]} {verb} is no command of this version"


def names_in(path, pattern):
    """What `pattern` finds in a source file; nothing found is a mistake of this check."""
    found = set(re.findall(pattern, (ROOT / path).read_text()))
    if not found:
        raise ValueError(f"{path} has nothing like {pattern}")
    return found


def failures():
    """The classes of dead letters, and RabbitMQ's reasons."""
    listed = names_in("crates/waybill/src/serve/watch/series.rs", r"REASONS: [^=]+= \[([^\]]+)\]")
    reasons = set(re.findall(r'"(\w+)"', "".join(listed)))
    return reasons | names_in("crates/waybill-core/src/outcome.rs", r'Self::\w+ => "(\w+)"')


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
    yield from dead_links(RUNBOOK)


@check("runbook.commands")
def commands():
    yield from unknown_names(RUNBOOK)


@check("on-call.alerts")
def on_call_alerts():
    """One line for each alert, in the table of its severity, with no empty column."""
    lines = {}
    for severity, heading in SEVERITIES.items():
        for line in re.findall(r"^\| \[.+\|$", sections(ON_CALL).get(heading, ""), flags=re.MULTILINE):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            name = cells[0].partition("]")[0].strip("[")
            lines.setdefault(name, []).append(severity)
            if cells[0] != f"[{name}](RUNBOOK.md#{anchor(name)})":
                yield f"{name}: its name leads elsewhere than to its section"
            if len(cells) != COLUMNS or not all(cells):
                yield f"{name}: its line does not have {COLUMNS} columns with something in them"
    for name, rules in alerts().items():
        wanted = sorted({rule["labels"]["severity"] for rule in rules})
        if lines.pop(name, []) != wanted:
            yield f"{name}: has not one line, under {' and '.join(wanted)}"
    for name in lines:
        yield f"{name} is no alert"


@check("on-call.failures")
def on_call_failures():
    """A section for each class of failure and each reason, in the parts that help at night."""
    known = {
        heading.strip("`"): text
        for heading, text in sections(ON_CALL, "###").items()
        if heading.startswith("`")
    }
    for name in sorted(failures() ^ known.keys()):
        yield f"{name}: {'is no class or reason' if name in known else 'has no section'}"
    for name, text in known.items():
        text = re.split(r"^## ", text, flags=re.MULTILINE)[0]
        for part in CLASS_PARTS:
            if part not in text:
                yield f"{name}: says nothing under {part.strip('*.')}"


@check("on-call.links")
def on_call_links():
    yield from dead_links(ON_CALL)


@check("on-call.commands")
def on_call_commands():
    yield from unknown_names(ON_CALL)
