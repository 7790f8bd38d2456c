"""A container that runc was asked for directly."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.node import images, processes
from tests.tree.running import run

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def running(archives: Path, bundle: Path, name: str) -> Iterator[int]:
    """`/bin/sleep 60` of the application's image, in a cgroup of an unusual name; the pid of its first process."""
    rootfs = bundle / "rootfs"
    rootfs.mkdir()
    with tarfile.open(archives / "app.tar") as image:
        index = json.loads(_member(image, "index.json"))
        manifest = json.loads(_member(image, _blob(index["manifests"][0])))
        layer = image.extractfile(_blob(manifest["layers"][0]))
        assert layer is not None
        # extractall() wants a filter since Python 3.12, and knows none before 3.11.4.
        subprocess.run(["tar", "-x", "-C", rootfs], input=layer.read(), check=True, timeout=60)
    run("runc", "spec", "--bundle", bundle)
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update({"args": ["/bin/sleep", "60"], "terminal": False})
    config["process"].pop("rlimits", None)  # not every machine may set them
    config["linux"]["cgroupsPath"] = f"/{name}/of-my-own"
    (bundle / "config.json").write_text(json.dumps(config))
    # Its standard streams stay with the container: not pipes that somebody here would wait for.
    command = ["runc", "run", "--detach", "--bundle", bundle, "--pid-file", bundle / "pid", name]
    subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        pid = int((bundle / "pid").read_text())
        processes.wait_until(lambda: _comm(pid) == "sleep", 10, "exec of sleep")
        yield pid
    finally:
        run("runc", "delete", "--force", name)


def _comm(pid: int) -> str:
    process = processes.read(pid)
    return "" if process is None else process.comm


def _blob(descriptor: dict[str, str]) -> str:
    return "blobs/" + descriptor["digest"].replace(":", "/")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, f"no {name} in {images.APP}"
    return file.read()
