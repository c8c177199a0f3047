"""The command line as a person uses it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from afanet import __version__
from afanet.cli import main
from afanet.cli.flags import overrides
from afanet.cli.main import parse

SMALL = [
    *(
        "--backbone",
        "test_resnet",
        "--network.head",
        "linear",
        "--optimizer.name",
        "sgd",
        "--optimizer.momentum",
        "0",
        "--size",
        "32",
        "48",
        "--steps",
        "2",
        "--batch-size",
        "2",
        "--workers",
        "0",
    ),
    *("--device", "cpu", "--data.options.train_scenes", "4", "--data.options.test_scenes", "3"),
]


@pytest.mark.parametrize("method", ["single", "hard", "cross_stitch", "nddr", "afa"])
def test_every_method_trains_and_evaluates_to_the_same_figures(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "rooms", "--method", method, *SMALL]) == 0
    folder = Path("runs") / f"rooms-{method}-seed0"
    names = {file.name for file in folder.iterdir()}
    told = {"recipe.yaml", "metrics.json", "log.csv", "weights.safetensors", "last.ckpt", "predictions.png"}
    assert names == told | {"afanet-run.txt", ".afanet-lock", "tensorboard"}
    out = capsys.readouterr().out
    results = json.loads((folder / "metrics.json").read_text())
    assert results["steps"] == 2
    for scores in results["tasks"].values():
        for key, value in scores.items():
            assert any(key in line and f"{value:.4f}" in line for line in out.splitlines())

    assert main(["evaluate", str(folder)]) == 0
    assert f"identical to {folder / 'metrics.json'}" in capsys.readouterr().out
    assert json.loads((folder / "evaluation.json").read_text())["tasks"] == results["tasks"]


def test_evaluate_says_when_the_figures_are_not_those_of_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "rooms", "--method", "hard", "--out", str(tmp_path / "run"), *SMALL]) == 0
    file = tmp_path / "run" / "metrics.json"
    results = json.loads(file.read_text())
    results["tasks"]["depth"]["abs"] += 1e-12
    file.write_text(json.dumps(results))
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert "NOT identical to" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "arguments are required: COMMAND"),
        ("trian rooms", "unknown command 'trian', did you mean 'train'? (known: train, "),
        ("Data check", "unknown command 'Data', did you mean 'data'?"),
        ("data chek rooms", "unknown command 'chek', did you mean 'check'? (known: init, check, prepare)"),
        ("train rooms --optimizer.learning_rate=1", "did you mean '--optimizer.lr'"),
        ("train rooms --learning-rate 1", "did you mean '--lr'"),
        ("train rooms --bs 2", "did you mean '--batch-size'"),
        ("train rooms --wd 0", "did you mean '--weight-decay'"),
        ("train rooms --optim sgd", "did you mean '--optimizer'"),
        ("train rooms --lr high", "'optimizer.lr' is 'high'"),
        ("train rooms --method AFA", "unknown method 'AFA', did you mean 'afa'"),
        ("train rooms --method cross-stitch", "did you mean 'cross_stitch'"),
        ("train rooms --backbone ResNet18", "did you mean 'resnet18'"),
        ("train", "arguments are required: RECIPE"),
        ("train room", "unknown recipe 'room', did you mean 'rooms'"),
        ("train rooms more", "argument 'more' is one too many"),
        ("train rooms --epoch 3", "unknown flag '--epoch', did you mean '--epochs'"),
        ("train rooms --optimiser.lr=1", "unknown flag '--optimiser.lr', did you mean '--optimizer.lr'"),
        ("--what train rooms", "unknown flag '--what'"),
        ("train rooms --epochs ten", "'epochs' is 'ten'"),
        ("train rooms --size 96", "--size"),
        ("train rooms --method aff", "unknown method 'aff', did you mean 'afa'"),
        ("train rooms --backbone resnet19", "resnet1"),
        ("train rooms --network.output_stride 12", "expected 8, 16 or 32"),
        ("train rooms --weights nowhere.pth", "nowhere.pth"),
        ("train rooms --tasks dept", "did you mean 'depth'"),
        ("train rooms --fold 1", "unknown option of data set 'rooms' 'fold'"),
        ("train rooms --data.options.seed [", "the value of --data.options.seed, line 1, column 2 is not valid YAML"),
        ("train nyuv2 --data nowhere", "nowhere"),
        ("train adience --data nowhere --fold 1", "nowhere"),
        ("train rooms --device tpu", "device 'tpu' does not exist here"),
        ("evaluate nowhere", "nowhere is not a run folder"),
        ("evaluate", "arguments are required: MODEL"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2_and_leaves_nothing(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("afanet: error: ")
    assert err.count("\n") == 1
    assert said in err
    assert not list(tmp_path.iterdir())


def test_every_key_of_the_recipe_is_a_flag_with_either_kind_of_dash(tmp_path: Path) -> None:
    flags = ["--optimizer.weight-decay", "0.125", "--tasks", "depth", "--steps", "null", "--epochs=1"]
    assert main(["train", *flags, "--out", str(tmp_path / "run"), "rooms", "--method=hard", *_without_steps()]) == 0
    text = (tmp_path / "run" / "recipe.yaml").read_text()
    for line in ("weight_decay: 0.125", "- depth", "steps: null", "epochs: 1", "train_scenes: 4", "method: hard"):
        assert line in text


def _without_steps() -> list[str]:
    index = SMALL.index("--steps")
    return SMALL[:index] + SMALL[index + 2 :]


def test_parts_to_freeze_and_to_start_fresh_may_be_given_one_at_a_time() -> None:
    freeze = ["--freeze", "backbone", "--freeze", "heads", "task:depth"]
    values = overrides(parse(["train", "rooms", *freeze, "--fresh", "heads", "--fresh", "fusion"]))
    assert values["network.freeze"] == ["backbone", "heads", "task:depth"]
    assert values["fresh"] == ["heads", "fusion"]


def test_a_recipe_is_printed_with_what_it_follows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nyuv2-original", "--epochs", "5", "--print-config"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# NYUv2 after the authors of AFA")
    assert "chosen on\n# the test set.\nname: nyuv2-original\n" in printed
    assert yaml.safe_load(printed)["epochs"] == 5


def test_common_keys_have_short_names_with_either_kind_of_dash() -> None:
    short = "--lr 0.1 --weight_decay 0 --optimizer sgd --schedule cosine --head linear --crop 16 24"
    long = "--optimizer.lr 0.1 --optimizer.weight-decay 0 --optimizer.name sgd --schedule.name cosine"
    long += " --network.head linear --data.crop 16 24"
    assert overrides(parse(["train", "rooms", *short.split()])) == overrides(parse(["train", "rooms", *long.split()]))


def test_version_and_help_need_no_lightning() -> None:
    code = (
        "import sys; from afanet.cli import main\n"
        "for words in ['--version'], ['--help'], ['train', '--help']:\n"
        "    try: main(words)\n"
        "    except SystemExit as end: assert not end.code\n"
        "heavy = {'lightning', 'torchmetrics', 'matplotlib'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for said in (f"afanet {__version__}", "evaluate", "--optimizer.lr"):
        assert said in done.stdout


@pytest.mark.slow  # test_missing_extras.py asks it without any extra
def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['lightning'] = None; from afanet.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "evaluate", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "afanet: error: lightning is missing, of the extra 'train': pip install 'lightning>=2.5'\n"


def test_an_interrupt_says_how_to_go_on_and_ends_with_status_130(tmp_path: Path) -> None:
    # a shell that starts the tests in the background has them ignore SIGINT
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listen}; import sys; from afanet.cli import main; sys.exit(main())"
    words = ["train", "rooms", "--method", "hard", "--out", "run", *_without_steps(), "--epochs", "100000"]
    run = subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert run.stderr is not None
    for line in run.stderr:
        if line.startswith("epoch 1/"):
            break
    time.sleep(0.2)
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    *epochs, last = err.splitlines()
    assert all(line.startswith("epoch ") for line in epochs)
    said = "afanet: interrupted; this goes on from the last checkpoint: "
    assert last.startswith(said)
    assert shlex.split(last.removeprefix(said)) == ["afanet", *words, "--resume"]
    assert parse([*words, "--resume"]).resume


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: ..."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_too_little_memory_is_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("afanet.runs.repeat.load_recipe", fail)
    assert main(["train", "rooms"]) == 2
    assert capsys.readouterr().err == (
        "afanet: error: this takes more memory than there is: give smaller images, a smaller batch or fewer at a time\n"
    )
