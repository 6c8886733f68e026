"""deploy/kubernetes as the cluster gets it, and small questions about it."""

import functools
import re
import subprocess

import yaml

from checks import KUBERNETES, Skip, tool

WORKLOADS = ("Deployment", "Job")


def render(folder):
    """The manifests of a Kustomize folder; raises with Kustomize's own words where it does not build."""
    kustomize, kubectl = tool("kustomize"), tool("kubectl")
    if kustomize:
        command = [kustomize, "build", str(folder)]
    elif kubectl:
        command = [kubectl, "kustomize", str(folder)]
    else:
        raise Skip("neither kustomize nor kubectl here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise ValueError((done.stderr or done.stdout).strip())
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@functools.cache
def manifests():
    return render(KUBERNETES)


def of_kind(*kinds):
    found = [m for m in manifests() if m["kind"] in kinds]
    if not found:  # nothing to judge is not well
        raise ValueError(f"no {' or '.join(kinds)} is rendered")
    return found


def title(manifest):
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def pods():
    """(title, pod template) of each workload."""
    for workload in of_kind(*WORKLOADS):
        yield title(workload), workload["spec"]["template"]


def containers():
    """(title, container) of each container of each workload."""
    for name, template in pods():
        spec = template["spec"]
        for container in spec.get("initContainers", []) + spec["containers"]:
            yield f"{name}, container {container['name']}", container


def quantity(text):
    """A Kubernetes quantity as a number: 250m, 64Mi, 2."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    units = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    return float(number) * units[unit]


def pinned(image):
    """An image named by digest, or by a tag with a number in it; never `latest`, never a bare name."""
    if re.search(r"@sha256:[0-9a-f]{64}$", image):
        return True
    tag = re.search(r":([\w.-]+)$", image)
    return bool(tag) and bool(re.search(r"\d+\.\d+", tag[1]))
