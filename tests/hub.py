"""A hub of the tests' own on this machine: repositories in memory, with the few endpoints that its client uses."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMIT = "c" * 40
NAME = r"([^/]+/[^/]+)"


class Hub(ThreadingHTTPServer):
    """`files` by repository and name, the large ones that were uploaded as `blobs`, and what was `asked`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, dict[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.status = 200  # of uploads

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """The status, the content and the headers for a request."""
        if path == "/api/repos/create":
            if self.status != 200:
                return self.status, {"error": "no"}, {}
            values = json.loads(body)
            name = f"{values['organization']}/{values['name']}"
            self.files.setdefault(name, {})
            return 200, {"url": f"{self.address}/{name}", "name": name}, {}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}, {}
        if match := re.fullmatch(rf"/api/models/{NAME}/preupload/main", path):
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
            files = [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes.items()]
            return 200, {"files": files}, {}
        if re.fullmatch(rf"/{NAME}\.git/info/lfs/objects/batch", path):
            objects = [
                {**each, "actions": {"upload": {"href": f"{self.address}/blobs/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            return 200, {"transfer": "basic", "objects": objects}, {"Content-Type": "application/vnd.git-lfs+json"}
        if match := re.fullmatch(r"/blobs/(\w+)", path):
            self.blobs[match[1]] = body
            return 200, b"", {}
        if match := re.fullmatch(rf"/api/models/{NAME}/commit/main", path):
            for value in map(json.loads, body.splitlines()):
                if value["key"] == "file":
                    self.files[match[1]][value["value"]["path"]] = base64.b64decode(value["value"]["content"])
                if value["key"] == "lfsFile":
                    self.files[match[1]][value["value"]["path"]] = self.blobs[value["value"]["oid"]]
            address = f"{self.address}/{match[1]}/commit/{COMMIT}"
            return 200, {"success": True, "commitOid": COMMIT, "commitUrl": address}, {}
        return self.read(path)

    def read(self, path: str) -> tuple[int, Any, dict[str, str]]:
        """The answer to a request that changes nothing."""
        if match := re.fullmatch(rf"/api/models/{NAME}(/revision/(.*))?", path):
            if match[1] not in self.files:
                return 404, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"}
            if match[3] not in (None, "main", COMMIT):
                return 404, {"error": "not found"}, {"X-Error-Code": "RevisionNotFound"}
            siblings = [{"rfilename": name} for name in self.files[match[1]]]
            return 200, {"id": match[1], "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}, {}
        if match := re.fullmatch(rf"/api/models/{NAME}/tree/{COMMIT}", path):
            files = self.files[match[1]]
            listed = [{"type": "file", "path": name, "size": len(files[name]), "oid": COMMIT} for name in files]
            return 200, listed, {}
        match = re.fullmatch(rf"/{NAME}/resolve/[^/]+/(.+)", path)
        content = self.files.get(match[1], {}).get(match[2]) if match else None
        if content is None:
            return 404, {"error": "not found"}, {"X-Error-Code": "EntryNotFound"}
        return 200, content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *arguments: object) -> None:
        """Nothing."""

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        status, content, headers = self.server.answer(path, body)
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        length = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        for name, value in (length | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_HEAD = respond  # noqa: N815, as the server calls them


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub, which the client takes for the real one, with a cache of this test's own."""
    from huggingface_hub import constants

    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        official = constants.HUGGINGFACE_CO_URL_TEMPLATE
        values = {
            "ENDPOINT": server.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": official.replace(constants.ENDPOINT, server.address),
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_HUB_DISABLE_XET": True,  # of which the server knows nothing
            "HF_HUB_DISABLE_TELEMETRY": True,
        }
        for name, value in values.items():
            monkeypatch.setattr(constants, name, value)
        yield server
        server.shutdown()
