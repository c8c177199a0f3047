"""Adience (Eidinger et al., IEEE TIFS 2014): photos of faces with gender and age, in five folds by person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torchvision import tv_tensors

from afanet.data.augment import Augmentation
from afanet.data.sample import Data, Reader, Sample, Size, Split
from afanet.data.sets.adience.labels import AGES, AgePolicy, Face, Fold, read_folds
from afanet.data.sets.present import present_items
from afanet.data.transforms import evaluation, training
from afanet.errors import InputError
from afanet.photo import read_photo
from afanet.tasks import Classification, Task

FOLDERS = {"aligned": "landmark_aligned_face", "faces": "coarse_tilt_aligned_face"}
GENDERS = ("f", "m")


def open_adience(
    root: Path | None = None,
    size: Size = (224, 224),
    *,
    fold: Annotated[int, Field(ge=0, le=4)] = 0,
    ages: AgePolicy = "map",
    folder: Literal["aligned", "faces"] | None = None,
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.0,
    augment: Augmentation = True,
) -> Data:
    """Adience with `gender` (f, m) and `age` (eight classes): `fold` is the test split, the other four folds train.

    A face may lack one of the labels (-1); a face that lacks both is left out, as are exact duplicates of a row. Ages
    outside the eight ranges are mapped to the class that they mean or, with `ages="drop"`, become unlabelled, see
    `labels.age_class`. Photos are read from `folder`; if `aligned/` and `faces/` exist, the default is `aligned/`.
    `validation` is the share of the training users, not of the photos, that is held out of training.
    """
    folds = read_folds(root, ages)
    assert root is not None
    photos = Photos(root, folder)
    kept: list[list[Face]] = []
    problems = [problem for part in folds for problem in part.problems]
    for part in folds:
        faces, missing = present_items(photos, part.faces)
        kept.append(faces)
        problems += missing
    test = kept[fold]
    learnt = [face for number, faces in enumerate(kept) if number != fold for face in faces]
    users = hold_out((face.user for face in learnt), validation)
    train = [face for face in learnt if face.user not in users]
    held = [face for face in learnt if face.user in users]
    if not train or not test:
        raise InputError(
            f"data path '{root}' has {len(train)} labelled photos to train on and {len(test)} to test on "
            f"(fold {fold}), expected some of each: {problems[0] if problems else 'label some faces of every fold'}"
        )
    splits = f"{len(train)} training, {len(held)} validation" if held else f"{len(train)} training"
    return Data(
        train=Split(photos, train, training(size, zoom=1.25, augment=augment)),
        validation=Split(photos, held, evaluation(size)) if held else None,
        test=Split(photos, test, evaluation(size)),
        tasks=_tasks(),
        describe=f"adience: {splits} and {len(test)} test photos (fold {fold}) of {photos.folder.name}/, "
        f"at {size[0]}x{size[1]}; {_counts(learnt + test)}; {_left_out(folds, ages)}",
        problems=problems,
        warnings=odd_age_warnings(folds, ages),
    )


def _tasks() -> dict[str, Task]:
    ages = [str(limits) for limits in AGES]
    return {"gender": Classification("gender", GENDERS), "age": Classification("age", ages, ordinal=True)}


class Photos(Reader):
    """Reader of the photos in `root/folder`, or in the first of `aligned/` and `faces/` that exists."""

    def __init__(self, root: Path, folder: str | None = None):
        present = [name for name in FOLDERS if (root / name).is_dir()]
        if not present:
            raise InputError(f"data path '{root}' has fold files but no photos: unpack aligned/ or faces/ beside them")
        if folder not in (None, *present):
            raise InputError(
                f"data path '{root}' has {present[0]}/ but no {folder}/: unpack it there, or leave 'folder' out"
            )
        self.folder = root / (folder or present[0])

    def files(self, face: Face) -> tuple[Path]:
        return (self.folder / face.user / f"{FOLDERS[self.folder.name]}.{face.face}.{face.photo}",)

    def group(self, face: Face) -> str:
        return face.user

    def values(self, face: Face) -> dict[str, Tensor]:
        return {"gender": torch.tensor(face.gender), "age": torch.tensor(face.age)}

    def __call__(self, face: Face) -> Sample:
        [path] = self.files(face)
        pixels = torch.from_numpy(read_photo(path))
        return {
            "image": tv_tensors.Image(pixels.permute(2, 0, 1)),
            "targets": self.values(face),
            "id": f"adience/{path.relative_to(self.folder.parent).as_posix()}",
        }


def hold_out(users: Iterable[str], share: float) -> set[str]:
    """This `share` of the users, at least one unless it is 0, chosen only by the order of their hashes.

    >>> hold_out(["ann", "bob", "cem", "dee"], 0.5) == hold_out(["dee", "ann", "cem", "bob", "bob"], 0.5)
    True
    """
    shuffled = sorted(set(users), key=lambda user: sha256(user.encode()).digest())
    return set(shuffled[: max(1, round(share * len(shuffled)))]) if share else set()


def odd_age_warnings(folds: Sequence[Fold], ages: AgePolicy) -> list[str]:
    """A sentence on ages outside the eight ranges, if there are any, and how `ages` treats them."""
    odd = sum((part.odd_ages for part in folds), Counter[str]())
    if not odd:
        return []
    treatment, alternative = {
        "map": ("mapped to the class they mean, or to none", "'drop' takes all as unlabelled"),
        "drop": ("taken as unlabelled", "'map' takes the class they mean"),
    }[ages]
    listed = ", ".join(f"{age} {count}" for age, count in odd.most_common())
    return [f"{odd.total()} rows have an age outside the eight ranges, {treatment} ({alternative}): {listed}"]


def _counts(faces: Sequence[Face]) -> str:
    genders, ages = Counter(face.gender for face in faces), Counter(face.age for face in faces)
    by_gender = ", ".join(f"{name} {genders[i]}" for i, name in enumerate(GENDERS))
    by_age = ", ".join(f"{limits} {ages[i]}" for i, limits in enumerate(AGES))
    return f"gender {by_gender}, none {genders[-1]}; age {by_age}, none {ages[-1]}"


def _left_out(folds: Sequence[Fold], ages: AgePolicy) -> str:
    left_out = sum((part.left_out for part in folds), Counter[str]())
    odd = sum(part.odd_ages.total() for part in folds)
    return (
        f"{odd} odd ages {'mapped' if ages == 'map' else 'dropped'}; left out {left_out['duplicate']} duplicate rows "
        f"and {left_out['unlabelled']} unlabelled"
    )
