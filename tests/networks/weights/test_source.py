"""Weights from a file, a folder or the hub: which file is read, what is said of it, and what is refused."""

from __future__ import annotations

import json
import pickle
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import save_file
from torch import nn

from afanet import InputError
from afanet.networks.weights import fill, load_weights
from afanet.networks.weights.source import open_weights

from ...bounds import bounded

STATE = {"stem.weight": torch.ones(4, 3, 1, 1), "stem.bias": torch.zeros(4)}


@pytest.fixture
def module() -> nn.Module:
    return nn.ModuleDict({"stem": nn.Conv2d(3, 4, 1)})


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr("afanet.networks.download.getproxies", dict)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: None) -> Path:
    """The folder of a network of the hub that was downloaded before."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    network = tmp_path / "hub" / "models--timm--small.a1"
    commit = "0123456789012345678901234567890123456789"
    (network / "refs").mkdir(parents=True)
    (network / "refs" / "main").write_text(commit)
    folder = network / "snapshots" / commit
    folder.mkdir(parents=True)
    return folder


def saved(folder: Path, file: str, config: object = None) -> Path:
    """The folder with weights, and a config.json if there is one."""
    folder.mkdir(exist_ok=True)
    (save_file if file.endswith(".safetensors") else torch.save)(STATE, folder / file)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, ""),
        ({"architecture": "small"}, ""),
        ({"architecture": "large", "pretrained_cfg": {"tag": "a1"}}, " (whose config.json names 'large')"),
        ({"architectures": ["ViTModel"], "model_type": "vit"}, " (whose config.json names 'ViTModel')"),
        ({"architecture": "a\n\x1b[2Kb"}, " (whose config.json names 'a\\n\\x1b[2Kb')"),
        ({"architectures": None}, ""),
    ],
)
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin", "weights.pt"])
def test_a_folder_is_read_and_the_network_that_it_names_is_said(
    module: nn.Module, tmp_path: Path, file: str, config: object, said: str
) -> None:
    folder = saved(tmp_path / "folder", file, config)
    line = load_weights(module, "small.a1", f"local-dir:{folder}")
    assert line == f"small.a1: 2 of 2 tensors loaded from folder/{file}{said}, missing: none, unused: none"


def test_of_several_files_that_of_timm_and_transformers_is_read(tmp_path: Path) -> None:
    for file in ("other.safetensors", "pytorch_model.bin", "model.safetensors", "optimizer.pt"):
        saved(tmp_path / "folder", file)
    assert open_weights(f"local-dir:{tmp_path / 'folder'}").shown == "folder/model.safetensors"


def test_a_network_of_the_hub_that_was_downloaded_before_needs_no_network(module: nn.Module, hub: Path) -> None:
    saved(hub, "pytorch_model.bin", {"architecture": "large"})
    line = load_weights(module, "small", "hf-hub:timm/small.a1")
    assert line.startswith("small: 2 of 2 tensors loaded from hf-hub:timm/small.a1 (whose config.json names 'large'),")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["timm/small.a1", "timm/small.a1@main", "nobody/nothing"])
def test_without_network_what_was_not_downloaded_is_refused_at_once(
    module: nn.Module, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        bounded(10),
        pytest.raises(InputError, match=rf"the weights 'hf-hub:{name}' could not be loaded \(no network: .*: give a"),
    ):
        load_weights(module, "small", f"hf-hub:{name}")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "name",
    [
        "",
        "small",
        "/small",
        "a/b/c",
        "../../etc",
        "a b/c",
        "a/b@",
        "https://a/b",
        "ä/b",
        "a/b@../../../x",
        "a/b@.",
        "a/b@x/../y",
        "../b",
        "a/b@/x",
    ],
)
def test_what_is_no_name_of_the_hub_is_refused(module: nn.Module, name: str) -> None:
    with pytest.raises(InputError, match=r"is not a network on the hub: expected hf-hub:ORG/NAME"):
        load_weights(module, "small", f"hf-hub:{name}")


def test_folders_without_the_one_file_are_refused(module: nn.Module, tmp_path: Path) -> None:
    folder = tmp_path / "folder"

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match):
            load_weights(module, "small", f"local-dir:{folder}")

    refused("folder is not a folder: expected one with model.safetensors after local-dir:")
    folder.mkdir()
    refused("folder has no weights: expected a file such as model.safetensors")
    (folder / "model.safetensors").mkdir()
    refused("folder has no weights")
    saved(folder, "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")
    refused("folder has only parts of weights: expected a file such as model.safetensors")
    (folder / "model.safetensors.index.json").unlink()
    saved(folder, "b.pth")
    refused(r"folder has several files of weights \('b.pth, model-00001-of-00002.safetensors'\): give one of them")
    with pytest.raises(InputError, match=r"folder is not a file, but a folder: write local-dir:.*folder to take"):
        load_weights(module, "small", str(folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", r"config.json holds \[1, 2\], expected keys such as 'architecture'"),
        ('{"architecture": 3}', r"config.json has the architecture 3, expected a name"),
        ('{"architectures": [["a"]]}', r"config.json has the architecture \['a'\], expected a name"),
        ("{", "config.json is not JSON"),
        ("[" * 10**4, "config.json is nested more than 64 deep"),
        ("\x00\x01", "config.json is not JSON"),
    ],
)
def test_a_config_of_another_kind_is_refused(module: nn.Module, tmp_path: Path, text: str, message: str) -> None:
    folder = saved(tmp_path / "folder", "model.safetensors")
    (folder / "config.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_weights(module, "small", f"local-dir:{folder}")


class Code:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("was_run"),))  # type: ignore[return-value]


@pytest.mark.filterwarnings("ignore:Detected pickle")
@pytest.mark.parametrize("protocol", [2, 5])
def test_code_in_a_folder_is_never_run(
    module: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"stem.weight": Code()}, tmp_path / "pytorch_model.bin", pickle_protocol=protocol)
    for content in (None, pickle.dumps(STATE | {"code": Code()}, protocol)):
        if content:
            (tmp_path / "pytorch_model.bin").write_bytes(content)
        with pytest.raises(InputError, match=r"pytorch_model.bin cannot be read as weights \(\w+\): expected tensors"):
            load_weights(module, "small", f"local-dir:{tmp_path}")
    assert not (tmp_path / "was_run").exists()


def test_an_average_over_training_is_taken_and_said(module: nn.Module, tmp_path: Path) -> None:
    average = {name: tensor + 1 for name, tensor in STATE.items()}
    torch.save({"state_dict": STATE, "state_dict_ema": average}, tmp_path / "last.pth.tar")
    report = fill(module, "small", str(tmp_path / "last.pth.tar"))
    assert report.notes == ("its state_dict_ema",)
    assert torch.equal(module["stem"].bias, average["stem.bias"])  # type: ignore[index]


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Exception]], list[str]]:
    """Sets up a hub that is reachable and raises these errors for files, has the others; returns what it is asked."""

    def set_up(errors: dict[str, Exception]) -> list[str]:
        asked = []

        def answer(repository: str, file: str, revision: str | None) -> str:
            asked.append(file)
            if file in errors:
                raise errors[file]
            if file.endswith(".json"):
                (tmp_path / file).write_text("{}")
                return str(tmp_path / file)
            return str(saved(tmp_path, file) / file)

        monkeypatch.setattr("afanet.networks.download.is_reachable", lambda: True)
        monkeypatch.setattr("afanet.networks.weights.hub.is_reachable", lambda: True)
        monkeypatch.setattr("afanet.networks.weights.hub.hf_hub_download", answer)
        return asked

    return set_up


def test_of_the_hub_the_first_file_that_is_there_is_downloaded_alone(
    online: Callable[[dict[str, Exception]], list[str]],
) -> None:
    asked = online({})
    assert open_weights("hf-hub:timm/small").state.keys() == STATE.keys()
    assert asked[0] == "model.safetensors"
    assert "pytorch_model.bin" not in asked
    asked = online({"model.safetensors": EntryNotFoundError("404"), "config.json": EntryNotFoundError("404")})
    assert open_weights("hf-hub:timm/small").architecture == ""
    assert asked[:2] == ["model.safetensors", "pytorch_model.bin"]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_hub_without_an_answer_is_not_taken_for_one_without_the_file(
    file: str, online: Callable[[dict[str, Exception]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    online({file: LocalEntryNotFoundError("502")})
    with pytest.raises(InputError, match=r"could not be loaded \(\S+ could not be reached, or had an error\): give a"):
        open_weights("hf-hub:timm/small")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    online(dict.fromkeys(("model.safetensors", "pytorch_model.bin"), LocalEntryNotFoundError("offline")))
    with pytest.raises(InputError, match=r"\(HF_HUB_OFFLINE is set, and it was not downloaded before\)"):
        open_weights("hf-hub:timm/small")
