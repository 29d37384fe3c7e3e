"""One account for all the time and memory that one template may use."""

from dataclasses import dataclass

from shared.language.errors import TaskTooLarge

STEPS = 50_000
"""Tokens read, nodes evaluated and values visited per template, about ten microseconds each."""
CHARACTERS = 1_500_000
"""Characters that one template may read and write, those of arguments and intermediate texts included."""


@dataclass
class Meter:
    """Counts down; work is paid for before it is done, so that no single call can exceed the limits."""

    steps: int = STEPS
    characters: int = CHARACTERS

    def work(self, steps: int = 1) -> None:
        """Pay for visiting `steps` values.

        Raises:
            TaskTooLarge: nothing is left.

        """
        self.steps -= steps
        if self.steps < 0:
            raise TaskTooLarge("the template takes too many steps")

    def text(self, length: int) -> None:
        """Pay for a text of `length` characters (or a list of as many items) that is about to be made.

        Raises:
            TaskTooLarge: nothing is left.

        """
        self.characters -= length
        if self.characters < 0:
            raise TaskTooLarge("the template makes too much text")
