"""Why the host does not start.

HostError
├── SettingsError     local.settings.json, host.json or an app setting that cannot be used
└── FunctionsInError  one or more functions cannot be loaded; each with its reason
"""


class HostError(Exception):
    """The host cannot start; the message is for the person at the terminal."""


class SettingsError(HostError):
    """A settings file or an app setting is missing or malformed."""


class AppNotIndexed(HostError):
    """The app could not be imported or its functions not be indexed; the message is the worker's."""


class FunctionsInError(HostError):
    """Functions that the platform would refuse, as `(function name, reason)` pairs."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"The '{name}' function is in error: {why}" for name, why in problems))
