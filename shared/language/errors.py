"""What can be wrong with a task, one class per stage of loading it.

    LanguageError
    ├── TaskTooLarge      a text, a template or a document beyond the limits of `limits`
    ├── AliasError        the alias block, a file it names, or the replacement
    ├── ValuesError       the values file or a value given on the command line
    ├── TemplateError     parsing or executing a Go template
    ├── YamlError         the text is not YAML, or a value has the wrong type
    └── TaskInvalid       YAML of the right types that is not a task

The texts are those of the reference engine, so that what people find when they search for one applies.
"""

from shared.errors import LanguageError


class TaskTooLarge(LanguageError):
    """Loading stopped because the task would take too much time or memory."""

    code = "TaskTooLarge"


class AliasError(LanguageError):
    """The alias block or one of its sources does not hold."""


class ValuesError(LanguageError):
    """The values given for the template do not hold."""


class TemplateError(LanguageError):
    """A Go template that cannot be parsed or executed; `message` names line and expression."""

    def __init__(self, message: str, *, parsing: bool = False) -> None:
        super().__init__(message)
        self.parsing = parsing


class YamlError(LanguageError):
    """A document that is not YAML, or that holds a value of the wrong type."""


class TaskInvalid(LanguageError):
    """A task that breaks a rule; `step_id` names the step where there is one."""

    def __init__(self, message: str, *, step_id: str | None = None) -> None:
        super().__init__(message, target=step_id)
        self.step_id = step_id
