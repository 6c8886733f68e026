"""The Grafana dashboards: that they are whole, speak of what exists, and show what alerts judge."""

import json
import re
import tempfile
from pathlib import Path

import yaml

from checks import OBSERVABILITY, check
from checks.alerts import OF_PROMETHEUS, alerts, asked, metrics, promtool, used

SUFFIX = r"_(bucket|sum|count)$"


def dashboards():
    found = {path: json.loads(path.read_text()) for path in sorted(OBSERVABILITY.glob("dashboards/*.json"))}
    if not found:
        raise ValueError("there are no dashboards")
    return found


def expressions(dashboard):
    """Title and expression of everything that is asked of Prometheus."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


@check("dashboards.shape")
def shape():
    uids = [dashboard["uid"] for dashboard in dashboards().values()]
    if len(set(uids)) != len(uids):
        yield f"two dashboards have one uid: {sorted(uids)}"
    for path, dashboard in dashboards().items():
        ids, cells = set(), set()
        for panel in dashboard["panels"]:
            title, place = panel["title"], panel["gridPos"]
            covered = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            if place["x"] + place["w"] > 24 or cells & covered:
                yield f"{path.name}: {title} lies over another panel or the edge"
            cells |= covered
            if panel["id"] in ids:
                yield f"{path.name}: {title} has the id of another panel"
            ids.add(panel["id"])
            if panel["type"] != "row" and not (panel.get("description") and panel.get("targets")):
                yield f"{path.name}: {title} says not what it shows, or shows nothing"
            for holder in [panel, *panel.get("targets", [])]:
                if panel["type"] != "row" and holder["datasource"]["uid"] != "${datasource}":
                    yield f"{path.name}: {title} asks somebody's own Prometheus"


@check("dashboards.metrics")
def known_metrics():
    known = metrics()
    for path, dashboard in dashboards().items():
        for title, expression in expressions(dashboard):
            names = used(expression)
            if not names:
                yield f"{path.name}: {title} names no metric"
            for name in sorted(names - known.keys()):
                yield f"{path.name}: {title}: {name} is not in metrics.tsv"
            labels = set().union(*(known.get(name, set()) for name in names)) | OF_PROMETHEUS
            for label in sorted(asked(expression) - labels):
                yield f"{path.name}: {title}: no metric of it has a label {label}"


@check("dashboards.coverage")
def coverage():
    """Whoever is woken by an alert sees on a dashboard what it judged, and panels lead to alerts that exist."""
    shown, told = set(), set()
    for dashboard in dashboards().values():
        for _, expression in expressions(dashboard):
            shown |= {re.sub(SUFFIX, "", name) for name in used(expression)}
        told |= set(re.findall(r"\bWaybill[A-Z]\w+", json.dumps(dashboard)))
    for name, rules in alerts().items():
        for rule in rules:
            for metric in sorted(used(rule["expr"]) - shown):
                yield f"{name} judges {metric}, which is on no panel"
    for name in sorted(told - alerts().keys()):
        yield f"{name} is named by a panel and does not exist"


@check("dashboards.queries")
def queries():
    """That Prometheus can read each query: as the expression of a rule."""
    rules = [
        {"record": f"waybill:panel_{at}", "expr": expression.replace("$source", ".*")}
        for at, (_, expression) in enumerate(
            pair for dashboard in dashboards().values() for pair in expressions(dashboard)
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "panels.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
        yield from promtool("check", "rules", file)
