"""What a cluster would refuse, or accept and regret, in the rendered manifests."""

import re

from checks import Skip, check
from checks.rendered import containers, manifests, of_kind, pinned, pods, quantity, title
from checks.settings import value

API_VERSION = "1.32"
PAUSE_S = 5  # a margin above shutdown_s_max, for flushing and for the kubelet


@check("kubernetes.renders")
def renders():
    expected = {"Namespace", "ServiceAccount", "ConfigMap", "Job", "Deployment", "Service",
                "PodDisruptionBudget", "ScaledObject", "TriggerAuthentication"}
    missing = expected - {m["kind"] for m in manifests()}
    if missing:
        yield f"not rendered: {', '.join(sorted(missing))}"
    for manifest in manifests():
        if manifest["kind"] == "Secret":
            yield f"{title(manifest)}: secrets are never part of this folder"
        if manifest["kind"] != "Namespace" and manifest["metadata"].get("namespace") != "waybill":
            yield f"{title(manifest)} is not in the namespace waybill"
        if re.search(r"\bLANE\b", str(manifest)):
            yield f"{title(manifest)}: the placeholder LANE was not replaced"


@check("kubernetes.schema")
def schema():
    try:
        import kubernetes_validate
    except ImportError as missing:
        raise Skip("Python package kubernetes-validate is not here") from missing
    for manifest in manifests():
        if manifest["apiVersion"].startswith("keda.sh/"):
            continue  # has a check of its own
        try:
            kubernetes_validate.validate(manifest, API_VERSION, strict=True)
        except kubernetes_validate.ValidationError as wrong:
            yield f"{title(manifest)} at {'.'.join(map(str, wrong.path))}: {wrong.message[:200]}"


@check("kubernetes.images")
def images():
    for name, container in containers():
        if not pinned(container["image"]):
            yield f"{name}: image {container['image']} is not pinned"


@check("kubernetes.security")
def security():
    for name, template in pods():
        context = template["spec"].get("securityContext", {})
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{name}: does not run as a user that is not root"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{name}: no seccomp profile RuntimeDefault"
        if template["spec"].get("automountServiceAccountToken") is not False:
            yield f"{name}: mounts its service account's token"
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if template["spec"].get(key):
                yield f"{name}: {key}"
    for name, container in containers():
        context = container.get("securityContext", {})
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{name}: its root file system is writable"
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{name}: may gain privileges"
        capabilities = context.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
            yield f"{name}: keeps capabilities"
        if context.get("privileged") or context.get("runAsUser") == 0:
            yield f"{name}: privileged"
    for account in of_kind("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{title(account)}: mounts its token"


@check("kubernetes.resources")
def resources():
    for name, container in containers():
        requests = container.get("resources", {}).get("requests", {})
        limits = container.get("resources", {}).get("limits", {})
        for wanted in {"cpu", "memory"} - requests.keys():
            yield f"{name}: requests no {wanted}"
        if "memory" not in limits:
            yield f"{name}: memory is not limited"
        for key in requests.keys() & limits.keys():
            if quantity(requests[key]) > quantity(limits[key]):
                yield f"{name}: requests more {key} than its limit"


@check("kubernetes.probes")
def probes():
    ports = {"ingest-api": ("ingest", 9080), "worker": ("worker", 9081), "waybill": ("serve", 9082)}
    for deployment in of_kind("Deployment"):
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            name = f"{title(deployment)}, container {container['name']}"
            named = {p["name"]: p["containerPort"] for p in container.get("ports", [])}
            for kind, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
                get = container.get(kind, {}).get("httpGet", {})
                if (get.get("path"), get.get("port")) != (path, "admin"):
                    yield f"{name}: {kind} does not ask {path} of port admin"
            section, port = ports[container["command"][0]]
            if named.get("admin") != port or value(section, "admin_listen") != f"0.0.0.0:{port}":
                yield f"{name}: port admin is not the {section}.admin_listen of base/waybill.toml"
            if section == "ingest" and value("ingest", "listen") != f"0.0.0.0:{named.get('http')}":
                yield f"{name}: port http is not the ingest.listen of base/waybill.toml"


@check("kubernetes.shutdown")
def shutdown():
    needed_s = max(value("process", "shutdown_s_max"), value("worker", "process_timeout_s"))
    for deployment in of_kind("Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        before_s = 0
        for container in spec["containers"]:
            command = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
            before_s = max([before_s, *(int(word) for word in command if word.isdigit())])
        grace_s = spec.get("terminationGracePeriodSeconds", 30)
        if grace_s < before_s + needed_s + PAUSE_S:
            yield f"{title(deployment)}: {grace_s} s of grace, needs {before_s} + {needed_s} + {PAUSE_S}"


@check("kubernetes.ports")
def ports():
    def numbers(node):
        if isinstance(node, dict):
            for key, inner in node.items():
                if key in ("port", "containerPort", "targetPort", "nodePort") and isinstance(inner, int):
                    yield inner
                else:
                    yield from numbers(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from numbers(inner)

    for manifest in manifests():
        for number in numbers(manifest):
            if not 0 < number < 65536:
                yield f"{title(manifest)}: port {number}"


@check("kubernetes.budgets")
def budgets():
    covered = []
    for budget in of_kind("PodDisruptionBudget"):
        spec = budget["spec"]
        if ("minAvailable" in spec) == ("maxUnavailable" in spec):
            yield f"{title(budget)}: needs one of minAvailable and maxUnavailable"
        labels = spec["selector"]["matchLabels"].items()
        here = [d for d in of_kind("Deployment") if labels <= d["spec"]["template"]["metadata"]["labels"].items()]
        if len(here) != 1:
            yield f"{title(budget)}: covers {len(here)} Deployments, not one"
        covered += [title(d) for d in here]
        for deployment in here:
            if "minAvailable" in spec and spec["minAvailable"] >= deployment["spec"].get("replicas", 1):
                yield f"{title(budget)}: no pod of {title(deployment)} may ever go"
    for deployment in of_kind("Deployment"):
        if title(deployment) not in covered:
            yield f"{title(deployment)} has no disruption budget"


@check("kubernetes.replicas")
def replicas():
    targets = {s["spec"]["scaleTargetRef"]["name"] for s in of_kind("ScaledObject")}
    for deployment in of_kind("Deployment"):
        count = deployment["spec"].get("replicas")
        if deployment["metadata"]["name"] in targets:
            if count is not None:
                yield f"{title(deployment)}: sets replicas, which its ScaledObject also does"
        elif count is None or count < 2:
            yield f"{title(deployment)}: fewer than 2 replicas"
