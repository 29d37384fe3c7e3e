"""What a context tells of itself."""

from pathlib import Path

from builder.contexts.source import Context
from shared.grant import RunVariables

VARIABLES = RunVariables(id="c1", registry="r.io", registry_name="r", date="d")


def test_the_context_names_commit_and_branch_where_the_cause_does_not() -> None:
    context = Context(Path(), commit="c0ffee", branch="HEAD")
    told = context.told(VARIABLES)
    assert (told.commit, told.branch, told.id) == ("c0ffee", "HEAD", "c1")
    caused = context.told(VARIABLES.model_copy(update={"commit": "beef", "branch": "main"}))
    assert (caused.commit, caused.branch) == ("beef", "main")
