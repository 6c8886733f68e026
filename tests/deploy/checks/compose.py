"""docker-compose.yml, the Dockerfile and .dockerignore, read as text: no engine is needed."""

import re

import yaml

from checks import DEPLOY, ROOT, check
from checks.rendered import pinned
from checks.settings import defaults, unknown_variable

VARIABLE = re.compile(r"\$\{(\w+)(?::?-((?:[^{}]|\$\{\w+\})*)|:\?([^}]*))?\}")
PROFILES = {"app": {"migrate", "ingest-api", "worker", "serve"}, "observe": {"prometheus"},
            None: {"postgres", "rabbitmq"}}


def services():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def by_default(text):
    """The text with each variable at its default."""
    return VARIABLE.sub(lambda match: match[2] or "", str(text))


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


@check("compose.profiles")
def profiles():
    found = {}
    for name, service in services().items():
        for profile in service.get("profiles", [None]):
            found.setdefault(profile, set()).add(name)
    for profile in PROFILES.keys() | found.keys():
        if found.get(profile, set()) != PROFILES.get(profile, set()):
            yield f"profile {profile or 'without a name'} holds {sorted(found.get(profile, []))}"
    replicas = services()["worker"].get("deploy", {}).get("replicas")
    if replicas != 2:
        yield f"{replicas} workers, not 2"


@check("compose.images")
def images():
    for name, service in services().items():
        if not pinned(by_default(service["image"])):
            yield f"{name}: image {service['image']} is not pinned"


@check("compose.health")
def health():
    for name, service in services().items():
        if name == "migrate":
            if service.get("restart") != "no":
                yield "migrate: a job is not restarted"
        elif not {"test", "interval", "timeout", "retries", "start_period"} <= service.get("healthcheck", {}).keys():
            yield f"{name}: no whole health check"
        elif service.get("restart") != "unless-stopped":
            yield f"{name}: is not restarted when it ends"
    ports = {"ingest-api": ("ingest", "9080"), "worker": ("worker", "9081"), "serve": ("serve", "9082")}
    for name, (section, port) in ports.items():
        service = services()[name]
        if service.get("healthcheck", {}).get("test") != ["CMD", "probe", port, "/readyz"]:
            yield f"{name}: its health is not /readyz on port {port}"
        if service["environment"].get(f"WAYBILL_{section.upper()}__ADMIN_LISTEN") != f"0.0.0.0:{port}":
            yield f"{name}: does not listen where its health is asked, on port {port}"


@check("compose.order")
def order():
    known = services()
    for name, service in known.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed == "migrate" else "service_healthy"
            if needed not in known or how.get("condition") != wanted:
                yield f"{name}: waits for {needed} by {how.get('condition')}"
    for name in ("ingest-api", "worker", "serve"):
        if "migrate" not in known[name].get("depends_on", {}):
            yield f"{name}: does not wait for migrate"
    if not {"postgres", "rabbitmq"} <= known["migrate"].get("depends_on", {}).keys():
        yield "migrate: does not wait for both services"


@check("compose.security")
def security():
    for name, service in services().items():
        if service.get("read_only") is not True:
            yield f"{name}: its root is writable"
        if service.get("cap_drop") != ["ALL"] or service.get("cap_add") or service.get("privileged"):
            yield f"{name}: keeps capabilities"
        if service.get("security_opt") != ["no-new-privileges:true"]:
            yield f"{name}: may gain privileges"
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        if not {"memory", "pids"} <= limits.keys():
            yield f"{name}: memory or processes are not limited"
        for port in service.get("ports", []):
            if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", by_default(port)):
                yield f"{name}: publishes {port} beyond this machine, or without a default"


@check("compose.shutdown")
def shutdown():
    needed_s = defaults()["process"]["shutdown_s_max"]
    for name, service in services().items():
        if seconds(service.get("stop_grace_period", "10s")) < needed_s + 5:
            yield f"{name}: stop_grace_period leaves no 5 s above shutdown_s_max ({needed_s})"


@check("compose.variables")
def variables():
    text = re.sub(r"#.*", "", (ROOT / "docker-compose.yml").read_text())
    head = (ROOT / "docker-compose.yml").read_text().split("\nx-hardened", 1)[0]
    required = set()
    for name, default, reason in VARIABLE.findall(text):
        if f"#   {name} " not in head:
            yield f"{name} is not explained at the head of the file"
        if reason:
            required.add(name)
        elif not default and name != "WAYBILL_COMPOSE_PASSWORD":
            yield f"{name} has no default"
    if required != {"WAYBILL_COMPOSE_PASSWORD"}:
        yield f"required: {sorted(required)}, not the password alone"
    for name, service in services().items():
        for variable in service.get("environment", {}):
            if variable.startswith("WAYBILL_") and unknown_variable(variable):
                yield f"{name}: {variable} is no setting of Waybill"
    pepper = by_default(services()["serve"]["environment"]["WAYBILL_AUTH__PEPPER"])
    if len(pepper) < 32:
        yield "the default pepper is shorter than 32 characters"


@check("docker.image")
def image():
    lines = re.sub(r"\\\n", " ", (DEPLOY / "docker" / "Dockerfile").read_text()).splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    for base in bases:
        if not pinned(base):
            yield f"base image {base} is not pinned"
    if len(bases) != 2:
        yield f"{len(bases)} stages, not a builder and a runtime"
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        yield f"runs as {users[-1:] or 'root'}, not as a numbered user that is not root"
    build = " ".join(line for line in lines if "cargo build" in line)
    for binary in ("ingest-api", "worker", "waybill"):
        if f"-p {binary}" not in build or f"target/release/{binary}" not in build:
            yield f"does not build or keep {binary}"
    if "--locked" not in build:
        yield "builds without --locked"
    if not any(line.startswith("#") is False and "ca-certificates" in line for line in lines):
        yield "has no ca-certificates"


@check("docker.context")
def context():
    rules = [r for r in (ROOT / ".dockerignore").read_text().splitlines() if r and not r.startswith("#")]
    if not rules or rules[0] != "*":
        yield "does not begin by leaving everything out"
    for rule in rules[1:]:
        if not rule.startswith("!"):
            yield f"{rule}: only what is let in is named"
        elif not (ROOT / rule[1:]).exists():
            yield f"{rule[1:]} does not exist"
