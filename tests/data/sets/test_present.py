from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.data.sample import Reader, Sample
from afanet.data.sets.present import present_items


class Two(Reader):
    """Two files an item, in two folders."""

    def __init__(self, root: Path):
        self.root = root

    def files(self, item: str) -> tuple[Path, Path]:
        return self.root / "a" / item, self.root / "b" / item

    def __call__(self, item: str) -> Sample:
        raise NotImplementedError


@given(st.tuples(*[st.sets(st.integers(0, 5))] * 2))
@settings(deadline=None, max_examples=30)
def test_it_is_as_if_each_file_were_asked_for(tmp_path_factory, there):
    root = tmp_path_factory.mktemp("there")
    for folder, numbers in zip("ab", there, strict=True):
        for number in numbers:
            (root / folder).mkdir(exist_ok=True)
            (root / folder / str(number)).touch()
    items = [str(number) for number in range(6)]
    read = Two(root)
    present, problems = present_items(read, items)
    assert present == [item for item in items if all(path.exists() for path in read.files(item))]
    missing = [path for item in items for path in read.files(item) if not path.exists()]
    assert [problem.partition(" is missing")[0] for problem in problems] == list(map(str, missing))
