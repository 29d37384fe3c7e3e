"""Run variables in the names and arguments of a build request."""

import pytest

from shared.errors import LanguageError
from shared.grant import RunVariables
from shared.images.targets import render

VARIABLES = RunVariables(id="cb1", registry="r.example.io", registry_name="r", date="x", branch="{{.Run.ID}}")


def test_what_is_filled_in_is_not_read_again() -> None:
    assert render("{{.Run.Branch}}/{{ .Run.ID }}", VARIABLES) == "{{.Run.ID}}/cb1"


@pytest.mark.parametrize("text", ["{{.Values.x}}", "{{.Run.ID}}{{", "{{printf 1}}"])
def test_other_templates_are_refused(text: str) -> None:
    with pytest.raises(LanguageError):
        render(text, VARIABLES)
