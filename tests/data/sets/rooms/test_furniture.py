from __future__ import annotations

import numpy as np

from afanet.data.sets.rooms.furniture import CLASSES, TABLE, furnish


def test_things_stand_inside_the_room_and_clear_of_the_camera():
    labels = set()
    for seed in range(60):
        scene = furnish(np.random.default_rng(seed))
        eye = np.array(scene.camera.position)
        assert (eye > 0).all()
        assert (eye < scene.room).all()
        for box in scene.boxes:
            low, high = np.array(box.low), np.array(box.high)
            assert (low < high).all()
            assert (low >= -1e-9).all()
            assert (high <= np.array(scene.room) + 1e-9).all()
            assert np.linalg.norm(np.clip(eye, low, high) - eye) > 0.3
            labels.add(box.label)
    assert labels == set(range(3, len(CLASSES) - 1))  # all but the shell and the lamp


def test_different_things_do_not_run_into_each_other():
    for seed in range(60):
        boxes = furnish(np.random.default_rng(seed)).boxes
        whole = [box for box in boxes if box.label != TABLE]
        for number, box in enumerate(whole):
            for earlier in whole[:number]:
                assert (np.array(box.low) >= earlier.high).any() or (np.array(earlier.low) >= box.high).any()
