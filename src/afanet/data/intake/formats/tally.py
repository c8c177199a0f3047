"""Counts the kinds of things met while a file is read, each with its first example."""

from __future__ import annotations

from dataclasses import dataclass, field

from afanet.errors import InputError, shown

ADVICE = "correct the file, or export it again"


@dataclass
class Tally:
    """How many things of each kind there were, and the first example of each.

    >>> tally = Tally()
    >>> tally.add("annotations without 'image_id'", 17)
    >>> tally.add("annotations without 'image_id'", 18)
    >>> tally.lines()
    ["2 annotations without 'image_id' (such as 17)"]
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, example: object = None, count: int = 1) -> None:
        """Count things that `what` names in the plural."""
        if count and what not in self.counts and example is not None:
            self.examples[what] = example if isinstance(example, str) and example.isprintable() else shown(example)
        if count:
            self.counts[what] = self.counts.get(what, 0) + count

    def lines(self) -> list[str]:
        """A line for each kind."""
        return [
            f"{count} {what}" + (f" (such as {self.examples[what][:100]})" if what in self.examples else "")
            for what, count in self.counts.items()
        ]

    def refuse(self, file: object, advice: str = ADVICE) -> None:
        """Raise `InputError` with every kind of fault of a file, if there is any."""
        if self.counts:
            kinds = f"{len(self.counts)} kinds of fault" if len(self.counts) > 1 else "a fault"
            raise InputError(f"{file} has {kinds}: {'; '.join(self.lines())}: {advice}")
