import copy

import pytest

RESULTS = {
    "schema": 1,
    "method": "vdfd",
    "config": "vdfd_toy",
    "seed": 0,
    "protocol": {
        "name": "toy 2-1",
        "dataset": "digit_scenes",
        "scenario": "class-incremental",
        "setting": "overlap",
        "fingerprint": "0123456789abcdef",
        "tasks": [{"classes": ["background", "one", "two"]}, {"classes": ["three"]}],
    },
    "metric": "mIoU",
    "matrix": [[60.0, None], [50.0, 30.0]],
    "summary": {
        "acc": 40.0,
        "bwt": -10.0,
        "forgetting": 10.0,
        "avg_incremental": 52.5,
        "overall": 45.0,
        "old": 50.0,
        "new": 30.0,
        "all": 45.0,
    },
    "steps": [
        {
            "step": step,
            "task": step,
            "classes_seen": 3 + step,
            "per_class": {"background": 80.0, "one": None},
            "overall": overall,
            "old": old,
            "new": new,
            "train_images": 10,
            "test_images": 5,
            "seconds": 61.0,
            "seconds_per_iter": 0.1,
            "parameters": 1000,
            "memory_bytes": 2048,
        }
        for step, overall, old, new in ((0, 60.0, 60.0, None), (1, 45.0, 50.0, 30.0))
    ],
}


@pytest.fixture
def results():
    return copy.deepcopy(RESULTS)
