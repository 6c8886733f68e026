"""Names that point at each other in the rendered manifests, and the numbers that must fit together."""

import re
import shutil
import tempfile
from pathlib import Path

from checks import KUBERNETES, check
from checks.rendered import containers, manifests, of_kind, pods, render, title
from checks.settings import unknown_keys, unknown_variable, value

SECRET = "waybill-secrets"
SECRET_KEYS = {"WAYBILL_DATABASE_URL", "WAYBILL_AMQP_URL", "WAYBILL_RABBITMQ_API_URL", "WAYBILL_AUTH__PEPPER"}
POSTGRES_CONNECTIONS_MAX = 200  # what the README asks of the server


@check("kubernetes.references")
def references():
    accounts = {m["metadata"]["name"] for m in of_kind("ServiceAccount")}
    configs = {m["metadata"]["name"] for m in of_kind("ConfigMap")}
    for name, template in pods():
        spec = template["spec"]
        if spec.get("serviceAccountName") not in accounts:
            yield f"{name}: no ServiceAccount {spec.get('serviceAccountName')}"
        volumes = {v["name"] for v in spec.get("volumes", [])}
        for volume in spec.get("volumes", []):
            if "configMap" in volume and volume["configMap"]["name"] not in configs:
                yield f"{name}: no ConfigMap {volume['configMap']['name']}"
        for container in spec["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{name}: no volume {mount['name']}"
    for service in of_kind("Service"):
        selector = service["spec"]["selector"].items()
        backing = [t for _, t in pods() if selector <= t["metadata"]["labels"].items()]
        names = {p["name"] for t in backing for c in t["spec"]["containers"] for p in c.get("ports", [])}
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in names:
                yield f"{title(service)}: no pod has a port {port['targetPort']}"


@check("kubernetes.secrets")
def secrets():
    for name, container in containers():
        given = set()
        for source in container.get("envFrom", []):
            if source.get("secretRef", {}).get("name") != SECRET:
                yield f"{name}: takes variables from something else than the secret {SECRET}"
            given |= SECRET_KEYS
        for variable in container.get("env", []):
            given.add(variable["name"])
            if unknown_variable(variable["name"]):
                yield f"{name}: {variable['name']} is no setting of Waybill"
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if variable["name"] in SECRET_KEYS:
                if reference != {"name": SECRET, "key": variable["name"]}:
                    yield f"{name}: {variable['name']} does not come from the secret {SECRET}"
            elif "value" not in variable:
                yield f"{name}: {variable['name']} has no value"
        needed = SECRET_KEYS - ({"WAYBILL_AUTH__PEPPER"} if container["command"][0] == "worker" else set())
        for missing in sorted(needed - given):
            yield f"{name}: lacks {missing}"
    readme = (KUBERNETES / "README.md").read_text()
    for key in sorted(SECRET_KEYS):
        if f"--from-literal={key}=" not in readme:
            yield f"README.md does not say how {key} gets into the secret"


@check("kubernetes.configuration")
def configuration():
    yield from unknown_keys()


@check("kubernetes.connections")
def connections():
    """Every process at full scale, with one more of each while it rolls."""
    most = {s["spec"]["scaleTargetRef"]["name"]: s["spec"]["maxReplicaCount"] for s in of_kind("ScaledObject")}
    processes = len(of_kind("Job"))
    for deployment in of_kind("Deployment"):
        processes += 1 + most.get(deployment["metadata"]["name"], deployment["spec"].get("replicas", 1))
    total = processes * value("database", "connections_max")
    if total >= POSTGRES_CONNECTIONS_MAX:
        yield f"{processes} processes may open {total} connections; PostgreSQL is asked for {POSTGRES_CONNECTIONS_MAX}"
    if f"{total}," not in (KUBERNETES / "README.md").read_text():
        yield f"README.md names another number of connections than {total}"


@check("kubernetes.lanes")
def lanes():
    """Adding a lane is one more small file, as the README says: does it, in a copy."""
    lane = "deliver-visits"  # a name with a dash in it
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "kubernetes"
        shutil.copytree(KUBERNETES, copy)
        shutil.copytree(copy / "lanes" / "default", copy / "lanes" / lane)
        for path, old, new in ((copy / "lanes" / lane / "kustomization.yaml", r"\bdefault\b", lane),
                               (copy / "kustomization.yaml", r"- lanes/default", f"- lanes/default\n  - lanes/{lane}")):
            path.write_text(re.sub(old, new, path.read_text()))
        both = render(copy)
    before, after = (sorted(map(title, m)) for m in (manifests(), both))
    added = sorted(set(after) - set(before))
    expected = [f"{kind} worker-{lane}" for kind in ("Deployment", "PodDisruptionBudget", "ScaledObject")]
    if added != expected or len(after) != len(before) + 3:
        yield f"a second lane adds {added}, not {expected}"
        return
    for name in ("default", lane):
        worker, budget, scaled = (next(m for m in both if title(m) == f"{kind} worker-{name}")
                                  for kind in ("Deployment", "PodDisruptionBudget", "ScaledObject"))
        template = worker["spec"]["template"]
        variables = {v["name"]: v.get("value") for v in template["spec"]["containers"][0]["env"]}
        triggers = {t["type"]: t["metadata"] for t in scaled["spec"]["triggers"]}
        facts = {
            "its workers' lane": (variables.get("WAYBILL_WORKER__LANES"), name),
            "its pods' label": (template["metadata"]["labels"].get("waybill/lane"), name),
            "its selector": (worker["spec"]["selector"]["matchLabels"].get("waybill/lane"), name),
            "its budget": (budget["spec"]["selector"]["matchLabels"].get("waybill/lane"), name),
            "what it scales": (scaled["spec"]["scaleTargetRef"]["name"], f"worker-{name}"),
            "its queue": (triggers["rabbitmq"]["queueName"], f"waybill.work.{name}"),
            "its query": (re.findall(r"'([^']*)'", triggers["postgresql"]["query"])[0], name),
        }
        yield from (f"lane {name}: {what} is {got}" for what, (got, want) in facts.items() if got != want)
