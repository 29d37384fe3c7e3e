"""What an image says of the containers that are made of it."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from builder.faults import StepFailed
from builder.oci.layout import Layout

CONFIG_LIMIT = 4 * 1024**2


class Config(BaseModel):
    """What of an image's configuration its containers start by, under the names of the OCI image specification."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    entry_point: tuple[str, ...] | None = Field(default=None, alias="Entrypoint")
    command: tuple[str, ...] | None = Field(default=None, alias="Cmd")
    environment_or_none: tuple[str, ...] | None = Field(default=None, alias="Env")
    user: str = Field(default="", alias="User")
    directory: str = Field(default="", alias="WorkingDir")

    @property
    def environment(self) -> tuple[str, ...]:
        """Items `NAME=value`."""
        return self.environment_or_none or ()


class _Image(BaseModel):
    model_config = ConfigDict(extra="ignore")

    config: Config | None = None


def parse_config(text: bytes, *, of: str) -> Config:
    """Return what the text of a configuration says. Raises StepFailed, which tells whose it is."""
    try:
        return _Image.model_validate_json(text).config or Config()
    except ValidationError:
        raise StepFailed(f"the configuration of {of} cannot be read") from None


def read_config(layout: Layout) -> Config:
    """Return what the configuration of a layout's image says. Raises StepFailed."""
    of = "the image that was built"
    if layout.manifest.config is None:
        raise StepFailed(f"{of} has no configuration")
    with layout.blob(layout.manifest.config.digest).open("rb") as file:
        return parse_config(file.read(CONFIG_LIMIT + 1), of=of)
