"""The container images of the test pods, as OCI archives made here: no registry is needed.

`pause` is a static program of our own; `app` adds a static busybox to a program with workers and orphans
(programs/*.c say what each does).
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

# containerd normalises names; with the registry's name written out, both sides mean the same image.
PAUSE = "docker.io/ctrace/pause:1"
APP = "docker.io/ctrace/app:1"

PROGRAMS = Path(__file__).parent / "programs"
BUSYBOX_APPLETS = ("sh", "sleep", "cat", "ls", "ps", "kill", "true", "setsid")

_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}


def build(folder: Path) -> dict[str, Path]:
    """Write `pause.tar` and `app.tar` into `folder`; {image name: archive}. Raises CalledProcessError if gcc fails."""
    pause, app = _compile("pause", folder), _compile("app", folder)
    busybox = shutil.which("busybox")
    if busybox is None:
        raise FileNotFoundError("busybox (package busybox-static)")
    archives = {PAUSE: folder / "pause.tar", APP: folder / "app.tar"}
    _write_archive(archives[PAUSE], PAUSE, _layer({"pause": pause}), ["/pause"])
    links = {f"bin/{applet}": "busybox" for applet in BUSYBOX_APPLETS}
    _write_archive(archives[APP], APP, _layer({"app": app, "bin/busybox": Path(busybox)}, links), ["/app"])
    return archives


def _compile(name: str, folder: Path) -> Path:
    output = folder / name
    source = PROGRAMS / f"{name}.c"
    subprocess.run(["gcc", "-static", "-O2", "-Wall", "-o", output, source], check=True, timeout=60)
    return output


def _layer(files: dict[str, Path], links: dict[str, str] | None = None) -> bytes:
    """An uncompressed root file system: executables, and symbolic links {path: target}."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "proc", "sys", "dev", "etc", "tmp"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for path, source in files.items():
            data = source.read_bytes()
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
        for path, target in (links or {}).items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return buffer.getvalue()


def _write_archive(path: Path, name: str, layer: bytes, command: list[str]) -> None:
    """One image in the OCI image layout (image-spec v1), named by containerd's annotation for imports."""
    blobs: dict[str, bytes] = {}

    def add(media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    spec = "application/vnd.oci.image"
    layer_descriptor = add(f"{spec}.layer.v1.tar", layer)
    config = {
        "architecture": _ARCHITECTURE.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": command},
        "rootfs": {"type": "layers", "diff_ids": [layer_descriptor["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{spec}.manifest.v1+json",
        "config": add(f"{spec}.config.v1+json", _json(config)),
        "layers": [layer_descriptor],
    }
    entry = add(f"{spec}.manifest.v1+json", _json(manifest))
    entry["annotations"] = {"io.containerd.image.name": name}
    blobs["index.json"] = _json({"schemaVersion": 2, "manifests": [entry]})
    blobs["oci-layout"] = _json({"imageLayoutVersion": "1.0.0"})
    with tarfile.open(path, "w") as tar:
        for member, content in blobs.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
