"""Adience (Eidinger et al., IEEE TIFS 2014): photos of faces with gender and age, in five folds by person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torchvision import tv_tensors

from afanet.data.adience.labels import AGES, Face, read_fold
from afanet.data.files import other_layout, read_image, require_path
from afanet.data.sample import Data, Reader, Sample, Size, Split
from afanet.data.transforms import evaluation, training
from afanet.errors import InputError
from afanet.tasks import Classification

FOLDERS = {"aligned": "landmark_aligned_face", "faces": "coarse_tilt_aligned_face"}
EXPECTED = "a folder with fold_0_data.txt to fold_4_data.txt and the photos in aligned/ or faces/"
GENDERS = ("f", "m")


def open_adience(
    root: Path | None = None,
    size: Size = (224, 224),
    *,
    fold: Annotated[int, Field(ge=0, le=4)] = 0,
    augment: bool = True,
) -> Data:
    """Adience with `gender` (f, m) and `age` (eight classes): `fold` is the test set, the other four train.

    A face may lack either label (-1); one that lacks both is left out, as are exact duplicates of a row. Ages other
    than the eight ranges are mapped as `adience_labels.age_class` says. Photos come from `aligned/` where both kinds
    are there, else from `faces/`.
    """
    root = require_path(root, "adience", EXPECTED)
    if not root.is_dir() or not any(root.glob("fold_*_data.txt")):
        raise other_layout(root, "adience", EXPECTED)
    folds = [read_fold(root / f"fold_{number}_data.txt") for number in range(5)]
    photos = Photos(root, [face for part in folds for face in part.faces])
    test = folds[fold].faces
    train = [face for number, part in enumerate(folds) if number != fold for face in part.faces]
    return Data(
        train=Split(photos, train, training(size, zoom=1.25, augment=augment)),
        test=Split(photos, test, evaluation(size)),
        tasks={
            "gender": Classification("gender", GENDERS),
            "age": Classification("age", [str(limits) for limits in AGES], ordinal=True),
        },
        describe=f"adience: {len(train)} training and {len(test)} test photos (fold {fold}) of {photos.folder.name}/, "
        f"at {size[0]}x{size[1]}; {_counts(train + test)}; {sum(face.odd for face in train + test)} odd ages mapped; "
        f"left out {sum(x.duplicates for x in folds)} duplicate rows and {sum(x.unlabelled for x in folds)} unlabelled",
    )


class Photos(Reader):
    """Reader of the photos of `faces`, all of which must lie under `root` (told from the names of the files alone)."""

    def __init__(self, root: Path, faces: Sequence[Face]):
        present = [name for name in FOLDERS if (root / name).is_dir()]
        if not present:
            raise InputError(f"data path '{root}' has fold files but no photos: unpack aligned/ or faces/ beside them")
        self.folder = root / present[0]
        users = {face.user for face in faces}
        there = {user: {path.name for path in (self.folder / user).glob("*")} for user in users}
        missing = [path for path in map(self.path, faces) if path.name not in there[path.parent.name]]
        if missing:
            raise InputError(
                f"{missing[0]} is missing, one of {len(missing)} of {len(faces)} photos that the fold files name: "
                f"unpack {self.folder.name}/ again"
            )

    def path(self, face: Face) -> Path:
        return self.folder / face.user / f"{FOLDERS[self.folder.name]}.{face.face}.{face.photo}"

    def files(self, face: Face) -> tuple[Path]:
        return (self.path(face),)

    def group(self, face: Face) -> str:
        return face.user

    def __call__(self, face: Face) -> Sample:
        path = self.path(face)
        pixels = torch.from_numpy(read_image(path, "RGB", "photo"))
        return {
            "image": tv_tensors.Image(pixels.permute(2, 0, 1)),
            "targets": {"gender": torch.tensor(face.gender), "age": torch.tensor(face.age)},
            "id": f"adience/{path.relative_to(self.folder.parent).as_posix()}",
        }


def _counts(faces: Sequence[Face]) -> str:
    genders, ages = Counter(face.gender for face in faces), Counter(face.age for face in faces)
    by_gender = ", ".join(f"{name} {genders[i]}" for i, name in enumerate(GENDERS))
    by_age = ", ".join(f"{limits} {ages[i]}" for i, limits in enumerate(AGES))
    return f"gender {by_gender}, none {genders[-1]}; age {by_age}, none {ages[-1]}"
