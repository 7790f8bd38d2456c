"""deploy/daemonset.yaml, and programs run as its container would be: uid 0, with these capabilities and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).parents[2] / "deploy" / "daemonset.yaml"


def objects() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(PATH.read_text()))


def pod() -> dict[str, Any]:
    (found,) = [o["spec"]["template"]["spec"] for o in objects() if o["kind"] == "DaemonSet"]
    return dict(found)


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    return dict(found)


CAPABILITIES: list[str] = container()["securityContext"]["capabilities"]["add"]


def confined(*command: str | Path, without: str = "") -> list[str]:
    """The command line; `without` one of the capabilities. As root, a program gets what the bounding set leaves."""
    kept = [f"+{name.lower()}" for name in CAPABILITIES if name != without]
    limits = ["--bounding-set", ",".join(["-all", *kept]), "--inh-caps", "-all", "--no-new-privs"]
    return ["setpriv", *limits, *map(str, command)]
