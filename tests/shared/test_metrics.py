"""What is counted, until it is taken; and the table of the docs."""

import re
from pathlib import Path

from shared.metrics import INSTRUMENTS, Counted, Metric, Tally

PAGE = Path(__file__).parents[2] / "docs/sight.md"


def test_nothing_is_counted_until_somebody_listens() -> None:
    tally = Tally()
    tally.add(Metric.CHECKS, 1, {"outcome": "same"})
    assert tally.take() == []


def test_counts_add_up_by_their_labels() -> None:
    tally, woken = Tally(), list[int]()
    tally.listen(lambda: woken.append(1))
    for outcome in ("same", "changed", "same"):
        tally.add(Metric.CHECKS, 1, {"outcome": outcome})
    tally.add(Metric.SCHEDULES, 7, {"registry": "reg", "outcome": "missed"})

    assert {(one.labels["outcome"], one.number) for one in tally.take()} == {("same", 2), ("changed", 1), ("missed", 7)}
    assert woken == [1]
    tally.add(Metric.CHECKS, 1, {"outcome": "same"})
    assert (woken, tally.take()) == ([1, 1], [Counted(metric=Metric.CHECKS, labels={"outcome": "same"}, number=1)])


def test_the_table_of_the_docs_names_each_metric() -> None:
    rows = re.findall(
        r"^\| `(slipway\.[a-z_.]+)` \| ([a-z]+)(?:, (\w+))? \| ([a-z, ]+) \|", PAGE.read_text(), re.MULTILINE
    )
    told = {name: (shape, unit or "1", tuple(labels.split(", "))) for name, shape, unit, labels in rows}
    assert told == {metric.value: (one.shape.value, one.unit, one.labels) for metric, one in INSTRUMENTS.items()}
