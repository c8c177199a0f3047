"""Runs that learn from teachers: what counts where, and which teachers are refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from afanet.data import Batch
from afanet.data.checks.findings import label_findings
from afanet.errors import InputError
from afanet.export.save import save_run
from afanet.normalisation import IMAGENET, Normalisation
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.run import Run, load_run
from afanet.runs.weights import save_weights
from afanet.tasks import Classification, Depth, Segmentation
from afanet.tasks.across import ALONE
from afanet.training.distilling.answers import find_answers, prepare_answers
from afanet.training.distilling.attention import attention, attention_loss
from afanet.training.distilling.teacher import Answer, Teacher
from afanet.training.distilling.teachers import Teachers
from afanet.training.job import prepare
from afanet.training.learner import Learner
from afanet.training.run import train

Small = Callable[..., Recipe]
SEG, DEPTH, AGE = Segmentation(["a", "b", "c"]), Depth(), Classification("age", ["young", "old"])
TASKS = {"segmentation": SEG, "depth": DEPTH, "age": AGE}


class Known:
    """A teacher that needs no run: it answers from the images alone, each for itself."""

    tasks = ("segmentation", "depth", "age")
    name = title = "known"
    digest = "0"

    def answer(self, images: Tensor, *_: Any) -> Answer:
        pooled = images.mean((1, 2, 3))
        estimates = {
            "segmentation": (3 * images).softmax(1),
            "depth": 1 + images.abs().mean(1, keepdim=True),
            "age": torch.stack([pooled, -pooled], 1).softmax(1),
        }
        return Answer(estimates, dict.fromkeys(self.tasks, images.square().mean(1)))


def known(**overrides: Any) -> Teachers:
    recipe = load_recipe("rooms", {"data.size": [8, 8], **overrides})
    teacher: Any = Known()
    return Teachers(recipe, TASKS, [teacher])


def some_batch() -> Batch:
    torch.manual_seed(5)
    depth = 1 + torch.rand(4, 1, 8, 8)
    depth[::2] = 0
    classes = torch.randint(3, (4, 8, 8))
    classes[1, :4] = 255
    targets = {"segmentation": classes, "depth": depth, "age": torch.tensor([0, -1, 1, -1])}
    return {"image": torch.randn(4, 3, 8, 8), "targets": targets, "id": list("abcd")}


def estimates_of(teachers: Teachers, batch: Batch) -> dict[str, Tensor]:
    teachers.answer(batch)
    return batch["estimates"]


def some_logits() -> dict[str, Tensor]:
    torch.manual_seed(6)
    return {"segmentation": torch.randn(4, 3, 8, 8), "depth": torch.randn(4, 1, 8, 8), "age": torch.randn(4, 2)}


def test_where_labels_are_missing_values_count_as_if_they_were_filled_in() -> None:
    """For depth that is the plain loss on a target in which the estimate fills what was not measured."""
    batch, logits, teachers = some_batch(), some_logits()["depth"], known()
    target = batch["targets"]["depth"]
    filled = torch.where(target > 0, target, estimates_of(teachers, batch)["depth"])
    loss = teachers.loss("depth", logits, batch, ALONE)
    torch.testing.assert_close(loss, DEPTH.loss(logits, filled), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["segmentation", "age"])
def test_where_labels_are_missing_every_pixel_counts_once(name: str) -> None:
    """The mean over all pixels or images, of cross-entropy where there is a label, of the divergence elsewhere."""
    batch, logits, teachers = some_batch(), some_logits()[name], known()
    target, p = batch["targets"][name], estimates_of(teachers, batch)[name].double()
    labelled = TASKS[name].labelled(target)
    minus_log = -logits.double().log_softmax(1)
    own = minus_log.gather(1, target.where(labelled, torch.tensor(0))[:, None])[:, 0]
    towards = (p * (p.log() + minus_log)).sum(1)
    expected = torch.where(labelled, own, towards).mean()
    assert teachers.loss(name, logits, batch, ALONE).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("name", list(TASKS))
def test_with_a_weight_the_teacher_counts_everywhere_beside_the_labels(name: str) -> None:
    batch, logits, teachers = some_batch(), some_logits()[name], known(distill_weight=0.25, distill_temperature=2)
    task, target = TASKS[name], batch["targets"][name]
    everywhere = torch.ones_like(task.labelled(target))
    towards = task.taught(logits, estimates_of(teachers, batch)[name], everywhere, temperature=2)
    expected = task.loss(logits, target) + 0.25 * towards
    torch.testing.assert_close(teachers.loss(name, logits, batch, ALONE), expected)


@pytest.mark.parametrize("weight", [None, 1.0])
def test_what_pads_a_letterboxed_image_is_learnt_from_nobody(weight: float | None) -> None:
    batch = some_batch()
    batch["image"][:, :, :2] = 0
    batch["targets"]["depth"][:, :, :2] = 0
    logits = some_logits()["depth"].requires_grad_()
    teachers = known(**{"data.resize": "letterbox", "distill_weight": weight})
    teachers.answer(batch)
    teachers.loss("depth", logits, batch, ALONE).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :, :2].any()
    assert logits.grad[:, :, 2:].all()


def test_a_batch_is_answered_once() -> None:
    batch, teachers = some_batch(), known()
    first = estimates_of(teachers, batch)
    batch["image"] = torch.zeros_like(batch["image"])
    assert estimates_of(teachers, batch) is first


def test_attention_is_compared_whatever_its_strength_and_size() -> None:
    torch.manual_seed(7)
    ours, theirs = torch.rand(3, 4, 6), torch.rand(3, 4, 6)
    a, b = (x.double().flatten(1).numpy() for x in (ours, theirs))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    assert attention_loss(ours, theirs, ALONE).item() == pytest.approx(((a - b) ** 2).sum(1).mean(), rel=1e-5)
    assert attention_loss(ours, 7 * ours, ALONE).item() == pytest.approx(0, abs=1e-6)
    finer = theirs.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert attention_loss(theirs, finer, ALONE).item() < 0.5 * attention_loss(ours, finer, ALONE).item()


def test_features_that_differ_add_to_the_loss() -> None:
    batch, teachers = some_batch(), known(distill_features=0.5)
    logits = some_logits()["depth"]
    teachers.answer(batch)
    plain = teachers.loss("depth", logits, batch, ALONE)
    assert torch.equal(teachers.loss("depth", logits, batch, ALONE, batch["image"]), plain)
    features = torch.randn(4, 7, 8, 8)
    apart = attention_loss(attention(features), batch["image"].square().mean(1), ALONE)
    torch.testing.assert_close(teachers.loss("depth", logits, batch, ALONE, features), plain + 0.5 * apart)


# Runs, by networks that train in a moment.


@pytest.fixture
def teacher(tiny: None, small: Small, tmp_path: Path) -> Run:
    """A run that knows depth, at the sizes and with the normalisation of `small`."""
    return train(small(**{"tasks": ["depth"], "network.method": "single"}), tmp_path / "teacher")


def test_a_student_learns_from_a_run_that_is_not_changed(teacher: Run, small: Small, tmp_path: Path) -> None:
    before = teacher.weights()
    plain = train(small(), tmp_path / "plain")
    taught = train(small(distill=[str(teacher.path)], distill_weight=1), tmp_path / "taught")
    one, other = plain.weights(), taught.weights()
    assert all(
        torch.equal(one[name], other[name]) == ("branches.depth" not in name)
        for name in one
        if "num_" not in name and "fusion" not in name
    )
    assert all(torch.equal(before[name], value) for name, value in load_run(teacher.path).weights().items())
    assert taught.results["teachers"] == {"depth": "teacher"}
    saved = tmp_path / "saved"
    save_run(taught.path, saved)
    assert "learnt from other networks beside labels: depth from teacher" in (saved / "README.md").read_text()
    assert load_run(saved).results["teachers"] == {"depth": "teacher"}


def test_where_everything_is_labelled_teachers_have_nothing_to_say(teacher: Run, small: Small, tmp_path: Path) -> None:
    """Rooms have depth at every pixel: without a weight the student is what it is without a teacher, bit for bit."""
    plain = train(small(), tmp_path / "plain").weights()
    taught = train(small(distill=[str(teacher.path)]), tmp_path / "taught").weights()
    assert all(torch.equal(plain[name], taught[name]) for name in plain)
    features = train(small(distill=[str(teacher.path)], distill_features=1), tmp_path / "features").weights()
    changed = {name for name in plain if name.endswith("weight") and not torch.equal(plain[name], features[name])}
    assert {"branches.depth.backbone.0.weight", "branches.depth.backbone.1.weight"} <= changed
    assert not any("segmentation" in name for name in changed)


def test_a_run_with_teachers_goes_on_as_if_it_had_not_been_killed(
    teacher: Run, small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = small(distill=[str(teacher.path)], distill_weight=0.5, checkpoint_every=1)
    whole = train(recipe, tmp_path / "whole").weights()
    learn = Learner.learn

    def until(self: Learner, *arguments: Any) -> Any:
        if self.step == 3:
            raise KeyboardInterrupt
        return learn(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", until)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / "killed")
    weights = teacher.weights()
    save_weights(teacher.folder.scored, {name: x + 1 if x.is_floating_point() else x for name, x in weights.items()})
    with pytest.raises(InputError, match="the teacher of 'depth' has other weights than when the run began"):
        train(recipe, tmp_path / "killed", resume=True)
    save_weights(teacher.folder.scored, weights)
    gone_on = train(recipe, tmp_path / "killed", resume=True).weights()
    assert all(torch.equal(whole[name], gone_on[name]) for name in whole)


def test_kept_answers_are_those_that_are_computed(
    teacher: Run, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For values to rounding; with another image each time there are none to keep."""
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    options = {"distill": [str(teacher.path)], "distill_weight": 1}
    recipe = small(**options, **{"data.options.augment": False})
    computed = train(recipe, tmp_path / "computed")
    path, new = prepare_answers(prepare(recipe), 0, lambda count: None)
    assert new
    assert prepare_answers(prepare(recipe), 0, lambda count: None) == (path, False)
    read = train(recipe, tmp_path / "read")
    one, other = computed.weights(), read.weights()
    for name in one:
        torch.testing.assert_close(other[name], one[name], rtol=1e-4, atol=1e-5)
    otherwise = recipe.network.model_copy(update={"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)})
    assert find_answers(prepare(recipe.model_copy(update={"network": otherwise})), {}) is not None
    (path / "depth.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="has damaged answers of teachers"):
        train(recipe, tmp_path / "broken")
    with pytest.raises(InputError, match="there are no answers to keep"):
        prepare_answers(prepare(small(**options)), 0, lambda count: None)


def test_images_without_any_label_train_with_a_teacher_alone(
    tiny: None, small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of ten images three have depth; no other task has a label anywhere in training."""
    root = tmp_path / "own"
    root.mkdir()
    rng = np.random.default_rng(0)
    lines = ["image,split,depth"]
    for number in range(12):
        Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8)).save(root / f"{number}.png")
        Image.fromarray(np.full((24, 32), 2000, np.uint16)).save(root / f"depth{number}.png")
        split, labelled = "train" if number < 10 else "test", number < 3 or number >= 10
        lines.append(f"{number}.png,{split},{f'depth{number}.png' if labelled else ''}")
    (root / "manifest.csv").write_text("\n".join(lines))
    data = {
        "data.name": "manifest", "data.root": str(root), "data.options": {"tasks": {"depth": {"kind": "depth"}}},
        "batch_size": 3, "epochs": 1,
    }  # fmt: skip
    teacher = train(small(**data), tmp_path / "teacher")
    assert teacher.results["steps"] == 1
    student = train(small(**data, distill=[str(teacher.path)]), tmp_path / "student")
    assert student.results["steps"] == 3
    assert "7 training images without any label: only teachers have answers for them" in capsys.readouterr().err


def test_a_task_without_a_label_in_training_is_no_error_with_a_teacher(small: Small) -> None:
    nothing = {"images": 2, "tasks": {"depth": {"labelled": 0}}}
    errors, warnings = label_findings(prepare(small()).data, {"train": nothing}, ["depth"], taught=["depth"])
    assert not errors
    assert warnings == ["split train has no label for depth: it learns from its teacher alone"]


# Which teachers are refused.


def change_meaning(run: Run, task: str, **changes: Any) -> None:
    results = json.loads(run.folder.metrics.read_text())
    results["described"][task]["meaning"] |= changes
    run.folder.metrics.write_text(json.dumps(results))


def test_each_task_has_one_teacher_with_its_meaning(teacher: Run, small: Small, tmp_path: Path) -> None:
    source = str(teacher.path)
    with pytest.raises(InputError, match=r"task 'depth' is in .*teacher and in .*teacher, expected one teacher for"):
        prepare(small(distill=[source, source]))
    with pytest.raises(InputError, match=r"teacher has the tasks depth, but none of segmentation: name a run"):
        prepare(small(distill=[source], tasks=["segmentation"]))
    with pytest.raises(InputError, match="nowhere is not a run folder"):
        prepare(small(distill=["nowhere"]))
    with pytest.raises(InputError, match="distill_features looks into a network that network"):
        prepare(small(**{"distill": [source], "distill_features": 1, "network.compile": True}))
    for key in ("distill_weight", "distill_temperature", "distill_features"):
        with pytest.raises(InputError, match=f"{key} says how tasks learn from teachers, but there are none"):
            prepare(small(**{key: 2}))


def test_the_digest_of_a_teacher_is_of_all_that_decides_its_answers(teacher: Run, tmp_path: Path) -> None:
    """Answers that are kept are not those of the same weights for images of another size."""

    def digest(folder: Path) -> str:
        return Teacher(str(folder), {"depth": Depth()}, 3).digest

    copy = tmp_path / "copy"
    shutil.copytree(teacher.path, copy)
    assert digest(copy) == digest(teacher.path)
    recipe = (copy / "recipe.yaml").read_text()
    (copy / "recipe.yaml").write_text(re.sub(r"size: \[24, 32\]|size:\n  - 24\n  - 32", "size: [48, 64]", recipe))
    assert (copy / "recipe.yaml").read_text() != recipe
    assert digest(copy) != digest(teacher.path)


def test_a_teacher_of_other_classes_is_refused(tiny: None, small: Small, tmp_path: Path) -> None:
    run = train(small(tasks=["segmentation"], epochs=1), tmp_path / "teacher")
    names = list(run.tasks["segmentation"].names)
    change_meaning(run, "segmentation", classes=[*names[1:], names[0]])
    with pytest.raises(InputError, match=r"teacher has task 'segmentation' with the classes \[.*but here its classes"):
        prepare(small(distill=[str(run.path)]))


def test_a_teacher_sees_views_at_its_own_scale_with_its_own_normalisation(teacher: Run) -> None:
    """The same pixels, whatever the student makes of them, at the size that the teacher was trained at."""
    seen: list[Tensor] = []
    answer = Teacher(str(teacher.path), {"depth": Depth()}, 3)
    answer.network.register_forward_pre_hook(lambda _, images: seen.append(images[0]))
    pixels = torch.rand(2, 3, 24, 32)
    other = Normalisation((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    for taken in (IMAGENET, other):
        mean, std = (torch.tensor(x).view(3, 1, 1) for x in (taken.mean, taken.std))
        answer.answer((pixels - mean) / std, taken, (24, 32))
    torch.testing.assert_close(seen[0], seen[1], rtol=1e-4, atol=1e-5)
    estimate = answer.answer(torch.randn(2, 3, 48, 64), IMAGENET, (48, 64)).estimates["depth"]
    assert seen[2].shape[-2:] == (24, 32)
    assert estimate.shape == (2, 1, 48, 64)
    answer.answer(torch.randn(2, 3, 24, 32), IMAGENET, (48, 64))  # a crop of half the side
    assert seen[3].shape[-2:] == (12, 16)
    with pytest.raises(InputError, match="takes images of 3 channels, but this recipe has 1"):
        Teacher(str(teacher.path), {"depth": Depth()}, 1)
