"""KEDA's objects, against KEDA's own definitions where they are at hand, and against what we know of
its scalers."""

import json

import jsonschema
import yaml

from checks import SHARED, Skip, check
from checks.rendered import of_kind, title
from checks.settings import value


def definition(kind):
    path = SHARED / "keda" / f"keda.sh_{kind.lower()}s.yaml"
    if not path.exists():
        raise Skip("../shared/keda, KEDA's own definitions, is not here")
    crd = next(d for d in yaml.safe_load_all(path.read_text()) if d)
    version = next(v for v in crd["spec"]["versions"] if v["name"] == "v1alpha1")
    return closed(version["schema"]["openAPIV3Schema"])


def closed(schema):
    """The schema with every object closed: a cluster drops unknown fields silently, we refuse them."""
    if isinstance(schema, list):
        return [closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(inner) for key, inner in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result.setdefault("additionalProperties", False)
    return result


@check("keda.schema")
def schema():
    for kind in ("ScaledObject", "TriggerAuthentication"):
        validator = jsonschema.Draft202012Validator(definition(kind))
        for manifest in of_kind(kind):
            for wrong in validator.iter_errors(manifest):
                yield f"{title(manifest)} at {'.'.join(map(str, wrong.absolute_path))}: {wrong.message[:200]}"


@check("keda.triggers")
def triggers():
    """Trigger metadata and authentication parameters against the scalers' own parameter lists."""
    path = SHARED / "keda" / "scalers-schema.json"
    if not path.exists():
        raise Skip("../shared/keda, KEDA's list of scaler parameters, is not here")
    scalers = {s["type"]: {p["name"]: p for p in s["parameters"]} for s in json.loads(path.read_text())["scalers"]}
    for scaled, trigger, given in all_triggers():
        name = f"{title(scaled)}, trigger {trigger['type']}"
        known = scalers.get(trigger["type"])
        if known is None:
            yield f"{name}: not in the list of scalers"
            continue
        for key, text in trigger["metadata"].items():
            parameter = known.get(key, {})
            if not parameter.get("metadataVariableReadable"):
                yield f"{name}: {key} is no parameter that metadata may give"
            if not isinstance(text, str):
                yield f"{name}: {key} is not a string"
            if "allowedValue" in parameter and text not in parameter["allowedValue"]:
                yield f"{name}: {key} may not be {text}"
        for key in given:
            if not known.get(key, {}).get("triggerAuthenticationVariableReadable"):
                yield f"{name}: {key} is no parameter that a TriggerAuthentication may give"
        for key, parameter in known.items():
            if not parameter.get("optional") and "default" not in parameter and key not in {*trigger["metadata"], *given}:
                yield f"{name}: needs {key}"


def all_triggers():
    """(ScaledObject, trigger, parameters its authentication gives)"""
    authentications = {
        a["metadata"]["name"]: [t["parameter"] for t in a["spec"]["secretTargetRef"]]
        for a in of_kind("TriggerAuthentication")
    }
    for scaled in of_kind("ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            yield scaled, trigger, authentications.get(trigger.get("authenticationRef", {}).get("name"), [])


@check("keda.scaling")
def scaling():
    for scaled in of_kind("ScaledObject"):
        name, spec = title(scaled), scaled["spec"]
        least, most = spec.get("minReplicaCount", 0), spec.get("maxReplicaCount", 100)
        if not 1 <= least <= most:
            yield f"{name}: from {least} to {most} replicas"
        if not least <= spec.get("fallback", {}).get("replicas", -1) <= most:
            yield f"{name}: no fallback between its least and most replicas"
        if not any(m["metadata"]["name"] == spec["scaleTargetRef"]["name"] for m in of_kind("Deployment")):
            yield f"{name}: no Deployment {spec['scaleTargetRef']['name']}"
        kinds = {t["type"]: t["metadata"] for t in spec["triggers"]}
        rabbitmq, postgresql = kinds.get("rabbitmq", {}), kinds.get("postgresql", {})
        if rabbitmq.get("protocol") != "http" or rabbitmq.get("mode") != "QueueLength":
            yield f"{name}: RabbitMQ's trigger must count ready and unacknowledged (http, QueueLength)"
        if rabbitmq.get("excludeUnacknowledged", "false") != "false":
            yield f"{name}: unacknowledged messages must count"
        query = postgresql.get("query", "")
        if " from message " not in query or "count(*)" not in query:
            yield f"{name}: PostgreSQL's trigger must count rows of the view message"
        target = int(postgresql.get("targetQueryValue", 0))
        if f"limit {most * target})" not in query:
            yield f"{name}: the query's limit is not maxReplicaCount times targetQueryValue, {most * target}"
        in_hand = value("worker", "prefetch")
        if not in_hand * 4 <= int(rabbitmq.get("value", 0)):
            yield f"{name}: value is not well above what a pod has in hand ({in_hand})"
    for scaled, trigger, given in all_triggers():
        if not given:
            yield f"{title(scaled)}, trigger {trigger['type']}: its TriggerAuthentication does not exist"
