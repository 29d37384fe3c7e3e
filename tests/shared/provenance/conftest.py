"""The workshop of the runs' tests, for what is said of its images."""

from tests.shared.runs.conftest import hands

__all__ = ["hands"]
