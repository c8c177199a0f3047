"""Oxford-IIIT Pet (Parkhi et al., CVPR 2012): cats and dogs with breed, species and outline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.datasets import OxfordIIITPet

from afanet.data.augment import Augmentation
from afanet.data.data_set import DataSet
from afanet.data.files import other_layout, require_path, require_shape
from afanet.data.sample import Data, Reader, Sample, Size, Split
from afanet.data.sets.present import present_items
from afanet.data.transforms import evaluation, training
from afanet.errors import InputError
from afanet.files import MOST_BYTES, require_regular
from afanet.label_files import read_image
from afanet.photo import read_photo
from afanet.tasks import Classification, Segmentation

FOLDER = "oxford-iiit-pet"
EXPECTED = (
    f"a folder {FOLDER}/ with images/ and annotations/, unpacked from images.tar.gz and annotations.tar.gz of "
    "www.robots.ox.ac.uk/~vgg/data/pets"
)
VOID = 255
TRIMAP = np.array([VOID, 0, 1, VOID], np.uint8)  # 1 pet, 2 background, 3 "not classified"


def open_pets(root: Path | None = None, size: Size = (224, 224), *, augment: Augmentation = True) -> Data:
    """Pets with `breed` (37 classes), `species` (cat, dog) and `segmentation` (pet, background): 3680 and 3669 photos.

    One network learns two tasks with a value per photo and one with a value per pixel. The border of a pet in the
    trimaps is void, since the data set itself calls it not classified. `root` holds the folder `oxford-iiit-pet`, as
    torchvision expects it, or is that folder. The splits are the published `trainval` and `test`.
    """
    root = require_path(root, "pets", EXPECTED).resolve()
    folder = root / FOLDER if (root / FOLDER).is_dir() else root
    names = ("images", "annotations/trimaps", "annotations/trainval.txt", "annotations/test.txt")
    for name in names:
        if folder.name != FOLDER or not (folder / name).exists():
            raise other_layout(folder, "pets", f"{EXPECTED} ({name} is not there)")
    trainval, tested = (Pets(folder, split) for split in ("trainval", "test"))
    if tested.breeds != trainval.breeds:
        raise InputError(f"{tested.source} does not have the breeds of {trainval.source}: copy the annotations again")
    train, problems = present_items(trainval, range(len(trainval.photos)))
    test, more = present_items(tested, range(len(tested.photos)))
    return Data(
        train=Split(trainval, train, training(size, zoom=1.25, augment=augment)),
        test=Split(tested, test, evaluation(size)),
        tasks={
            "breed": Classification("breed", trainval.breeds),
            "species": Classification("species", trainval.species),
            "segmentation": Segmentation(("pet", "background"), void=VOID),
        },
        describe=f"pets: {len(train)} training and {len(test)} test photos of {len(trainval.breeds)} breeds, "
        f"at {size[0]}x{size[1]}",
        problems=problems + more,
    )


class Pets(Reader):
    """Reader of the photos of a published split, by their index in its list."""

    def __init__(self, folder: Path, split: str):
        self.source = require_regular(folder / "annotations" / f"{split}.txt", MOST_BYTES)
        try:
            pets = OxfordIIITPet(folder.parent, split, download=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.source} cannot be read as a list of pets ({error}): copy it again") from error
        # torchvision has no public attribute for the files, and does not check the files that it opens.
        self.photos: list[Path] = pets._images
        self.trimaps: list[Path] = pets._segs
        self.labels: dict[str, list[int]] = {"breed": pets._labels, "species": pets._bin_labels}
        self.breeds: list[str] = pets.classes
        self.species: list[str] = pets.bin_classes
        if set(self.labels["breed"]) != set(range(len(self.breeds))) or not set(self.labels["species"]) <= {0, 1}:
            raise InputError(
                f"{self.source} does not number breeds from 1 on, each by one name, and species 1 or 2: copy it again"
            )

    def sources(self) -> tuple[Path]:
        return (self.source,)

    def files(self, index: int) -> tuple[Path, Path]:
        return self.photos[index], self.trimaps[index]

    def values(self, index: int) -> dict[str, Tensor]:
        return {name: torch.tensor(labels[index]) for name, labels in self.labels.items()}

    def __call__(self, index: int) -> Sample:
        photo, trimap = self.files(index)
        image = read_photo(photo)
        outline = read_image(trimap, "L", "trimap")
        require_shape(trimap, outline.shape, photo, image.shape[:2])
        if not {1, 2, 3}.issuperset(np.unique(outline).tolist()):
            raise InputError(f"{trimap} has values {outline.min()} to {outline.max()}, expected 1 to 3: copy it again")
        return {
            "image": tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1)),
            "targets": {
                **self.values(index),
                "segmentation": tv_tensors.Mask(torch.from_numpy(TRIMAP[outline])),
            },
            "id": f"pets/{photo.stem}",
        }


DATA_SET = DataSet(
    open=open_pets,
    marks=("oxford-iiit-pet/annotations", "annotations/trimaps"),
    licence="CC BY-SA 4.0; the photos' rights remain with their owners",
)
