"""The workshop of the runs' tests, for doors."""

from tests.shared.runs.conftest import hands

__all__ = ["hands"]
