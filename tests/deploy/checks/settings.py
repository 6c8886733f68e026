"""Waybill's own configuration files: the defaults, and what deploy/kubernetes changes of them."""

import tomllib

from checks import DEPLOY, KUBERNETES


def defaults():
    return tomllib.loads((DEPLOY / "waybill.default.toml").read_text())


def cluster():
    return tomllib.loads((KUBERNETES / "base" / "waybill.toml").read_text())


def value(section, key):
    """What holds in the cluster."""
    return cluster().get(section, {}).get(key, defaults()[section][key])


def unknown_keys():
    known = defaults()
    for section, keys in cluster().items():
        for key in keys:
            if key not in known.get(section, {}):
                yield f"{section}.{key} is no key of deploy/waybill.default.toml"


def unknown_variable(name):
    """Whether a WAYBILL_ variable that a container is given would be overlooked by the processes."""
    if name in ("WAYBILL_DATABASE_URL", "WAYBILL_AMQP_URL", "WAYBILL_RABBITMQ_API_URL"):
        return False
    section, _, key = name.removeprefix("WAYBILL_").lower().partition("__")
    return key not in defaults().get(section, {})
