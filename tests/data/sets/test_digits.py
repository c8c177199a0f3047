from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from afanet.data.sets.digits import CANVAS, Pairs, open_digits
from afanet.errors import InputError


def originals(name: str) -> tuple[int, int]:
    left, right = name.rpartition(":")[2].split("+")
    return int(left), int(right)


def test_a_pair_is_its_two_originals_one_over_the_other():
    bundled = load_digits()
    reader = Pairs(seed=3, split="test")
    for index in range(30):
        sample = reader(index)
        canvas = sample["image"]
        assert canvas.shape == (3, CANVAS, CANVAS)
        assert torch.equal(canvas[0], canvas[2])
        left, right = originals(sample["id"])
        assert bundled.target[left] == sample["targets"]["left"]
        assert bundled.target[right] == sample["targets"]["right"]
        matches = []
        for row, column, over, across in np.ndindex(2, 2, 2, 2):
            layers = np.zeros((2, CANVAS, CANVAS))
            layers[0, row : row + 8, column : column + 8] = bundled.images[left]
            layers[1, 3 + over : 11 + over, 3 + across : 11 + across] = bundled.images[right]
            matches.append(np.array_equal((layers.max(0) * 255 / 16).round(), canvas[0].numpy()))
        assert any(matches)


def test_no_original_stands_in_training_and_in_test_pairs():
    data = open_digits(train_pairs=400, test_pairs=400)
    used = [
        {number for i in range(400) for number in originals(split.read(i)["id"])} for split in (data.train, data.test)
    ]
    assert not used[0] & used[1]
    assert used[0] <= set(range(1437))
    assert used[1] <= set(range(1437, 1797))
    assert min(map(len, used)) > 250  # they are not the same few


def test_validation_pairs_are_of_digits_that_training_then_does_without():
    data = open_digits(train_pairs=400, validation_pairs=400, test_pairs=1)
    learnt, held = (
        {number for i in range(400) for number in originals(split.read(i)["id"])}
        for split in (data.train, data.validation)
    )
    assert not learnt & held
    assert learnt <= set(range(1149))
    assert held <= set(range(1149, 1437))
    assert data.describe.startswith("digits: 400 training, 400 validation and 1 test pairs of seed 0, from 1149, 288")
    assert open_digits(train_pairs=1, test_pairs=1).validation is None


def test_the_two_classes_differ_and_every_class_stands_on_either_side():
    reader = Pairs(seed=0, split="train")
    targets = [reader(index)["targets"] for index in range(300)]
    pairs = {(int(target["left"]), int(target["right"])) for target in targets}
    assert all(left != right for left, right in pairs)
    assert [{pair[side] for pair in pairs} for side in (0, 1)] == [set(range(10))] * 2


def test_a_pair_depends_on_seed_split_and_index_alone():
    pairs, copy = Pairs(5, "train"), pickle.loads(pickle.dumps(Pairs(5, "train")))
    copy(7)
    assert torch.equal(pairs(11)["image"], copy(11)["image"])
    assert pairs(11)["id"] == copy(11)["id"]
    assert len({reader(11)["id"] for reader in (pairs, Pairs(6, "train"), Pairs(5, "test"))}) == 3


def test_training_does_not_augment():
    data = open_digits(train_pairs=2)
    assert torch.equal(data.train[1]["image"], data.train[1]["image"])


def test_a_data_path_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="comes with scikit-learn, found data path"):
        open_digits(tmp_path)
