"""The alert rules: that Prometheus takes them, that they fire and keep quiet as their tests say, and
that they speak of metrics and labels which exist."""

import re
import subprocess

import yaml

from checks import OBSERVABILITY, Skip, check, tool

SERIES_SUFFIXES = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
OF_PROMETHEUS = {"job", "instance", "le"}


def promtool(*arguments):
    path = tool("promtool")
    if not path:
        raise Skip("promtool is not here")
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=OBSERVABILITY)
    if done.returncode:
        yield (done.stdout + done.stderr).strip()[-800:]


def rule_files():
    return sorted(OBSERVABILITY.glob("rules/*.yml"))


def test_files():
    return sorted(OBSERVABILITY.glob("tests/*.test.yml"))


def alerts():
    """Every alert rule, by name."""
    found = {}
    for path in rule_files():
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                found.setdefault(rule["alert"], []).append(rule)
    if not found:  # nothing to judge is not well
        raise ValueError("there are no alert rules")
    return found


def metrics():
    """Name of each series that exists: its labels."""
    known = {"up": set()}
    for line in (OBSERVABILITY / "metrics.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            name, kind, labels, _ = line.split("\t")
            for suffix in SERIES_SUFFIXES[kind]:
                known[name + suffix] = set(filter(None, labels.split(",")))
    return known


def used(expression):
    """The metrics that an expression names."""
    return set(re.findall(r"\b(waybill_\w+|up)\b(?!\")", re.sub(r'"[^"]*"', '""', expression)))


def asked(expression):
    """The labels that an expression selects or groups by."""
    labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
    for grouping in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expression):
        labels |= {label.strip() for label in grouping.split(",") if label.strip()}
    return labels


@check("alerts.rules")
def rules():
    yield from promtool("check", "rules", *rule_files())


@check("alerts.tests")
def tests():
    yield from promtool("test", "rules", *test_files())


@check("alerts.scraping")
def scraping():
    for path in sorted(OBSERVABILITY.glob("prometheus.*.yml")):
        yield from promtool("check", "config", path)
        jobs = {j["job_name"] for j in yaml.safe_load(path.read_text())["scrape_configs"]}
        if jobs != {"waybill-ingest-api", "waybill-worker", "waybill-serve"}:
            yield f"{path.name}: the rules count on three jobs, not on {sorted(jobs)}"


@check("alerts.coverage")
def coverage():
    """Each alert has a test in which it fires and one, of its own, in which it never does."""
    fires, quiet = set(), set()
    for path in test_files():
        for test in yaml.safe_load(path.read_text())["tests"]:
            expected = {}
            for case in test["alert_rule_test"]:
                expected.setdefault(case["alertname"], []).append(case["exp_alerts"])
            fires |= {name for name, cases in expected.items() if any(cases)}
            quiet |= {name for name, cases in expected.items() if not any(cases)}
    for name in alerts():
        if name not in fires:
            yield f"{name}: no test in which it fires"
        if name not in quiet:
            yield f"{name}: no test in which it does not fire"
    for name in (fires | quiet) - alerts().keys():
        yield f"{name} is tested and does not exist"


@check("alerts.metrics")
def known_metrics():
    """A metric or a label that nobody exports makes an alert that never fires."""
    known = metrics()
    for name, rules in alerts().items():
        for rule in rules:
            expression = rule["expr"]
            names = used(expression)
            if not names:
                yield f"{name}: names no metric"
            for metric in sorted(names - known.keys()):
                yield f"{name}: {metric} is not in metrics.tsv"
            labels = set().union(*(known.get(metric, set()) for metric in names)) | OF_PROMETHEUS
            for label in sorted(asked(expression) - labels):
                yield f"{name}: no metric of it has a label {label}"


@check("alerts.tested-metrics")
def tested_metrics():
    known = metrics()
    for path in test_files():
        for test in yaml.safe_load(path.read_text())["tests"]:
            for series in test["input_series"]:
                metric, _, rest = series["series"].partition("{")
                if metric not in known:
                    yield f"{path.name}: {metric} is not in metrics.tsv"
                for label in set(re.findall(r"(\w+)=", rest)) - known.get(metric, set()) - OF_PROMETHEUS:
                    yield f"{path.name}: {metric} has no label {label}"


@check("alerts.shape")
def shape():
    for name, rules in alerts().items():
        if len(rules) > 1:
            yield f"{name}: more than one rule has this name"
        for rule in rules:
            if rule.get("labels", {}).get("severity") not in ("page", "ticket"):
                yield f"{name}: severity is neither page nor ticket"
            for key in ("summary", "description", "runbook_url"):
                if not rule.get("annotations", {}).get(key):
                    yield f"{name}: no {key}"
