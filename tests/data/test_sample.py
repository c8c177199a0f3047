from __future__ import annotations

import torch

from afanet.data.rooms import open_rooms
from afanet.data.sample import collate


def test_a_batch_is_its_samples_in_order_as_plain_tensors():
    data = open_rooms(size=(24, 32), train_scenes=3)
    samples = [data.test[i] for i in (2, 0, 1)]
    batch = collate(samples)
    assert batch["id"] == [sample["id"] for sample in samples]
    assert batch["image"].shape == (3, 3, 24, 32)
    assert batch["targets"]["depth"].shape == (3, 1, 24, 32)
    assert batch["targets"]["segmentation"].shape == (3, 24, 32)
    for number, sample in enumerate(samples):
        assert torch.equal(batch["image"][number], sample["image"])
        assert all(torch.equal(batch["targets"][task][number], value) for task, value in sample["targets"].items())
    assert {type(value) for value in (batch["image"], *batch["targets"].values())} == {torch.Tensor}
    assert batch["image"].is_contiguous()
