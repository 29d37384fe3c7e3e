"""The stages of a Dockerfile and what each of them needs: other stages and images."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

from shared.dockerfile.arguments import Keyword
from shared.dockerfile.flags import mount_source
from shared.dockerfile.model import Dockerfile, Instruction, Span, Stage
from shared.dockerfile.text import at_line
from shared.dockerfile.variables import expand
from shared.dockerfile.words import Lexer
from shared.errors import LanguageError
from shared.grant import Platform
from shared.images import platforms
from shared.images.references import Reference

SCRATCH: Final = "scratch"
"""The base that is no image."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image that a Dockerfile names. `name` is its text after expansion, `line` where it stands.

    `platform` is what FROM asks for; None means the platform of the build.
    """

    name: str
    reference: Reference
    line: int
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """How a name stands in the text: `span` holds the name, or a flag of which `before` and `after` surround it."""

    span: Span
    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """What a stage needs: another stage, by its index, or an image; neither is scratch."""

    line: int
    written: Written
    stage: int | None = None
    image: BaseImage | None = None


class Graph:
    """The stages by index; `bases` has the base of each, `needs` that base and all that it copies or mounts from."""

    def __init__(self, dockerfile: Dockerfile, variables: Mapping[str, str]) -> None:
        self._stages = dockerfile.stages
        self._lexer = Lexer(escape=dockerfile.escape)
        self._variables = variables
        self._names: dict[str, int] = {}
        self.bases: list[Need] = []
        for stage in self._stages:
            self.bases.append(self._base(stage))
            if stage.name:
                self._names[stage.name] = stage.index
        self.needs = [list(self._needs(stage)) for stage in self._stages]
        self._refuse_circles()

    def target(self, name: str | None) -> int:
        """Return the index of the stage called `name`, or so numbered; of the last one without a name."""
        if not name:
            return len(self._stages) - 1
        found = self._names.get(name.lower())
        if found is None:
            found = self._number(name)
        if found is None:
            known = ", ".join(f"'{stage}'" for stage in self._stages)
            raise LanguageError(f"The Dockerfile has no stage '{name}'; it has {known}.", code="InvalidDockerfile")
        return found

    def reach(self, target: int) -> list[int]:
        """Return the stages that the target needs, itself included, in the order of the text."""
        reached = {target}
        pending = [target]
        while pending:
            index = pending.pop()
            for need in self.needs[index]:
                if need.stage is None:
                    continue
                if need.stage > index:
                    raise at_line(need.line, f"stage '{need.written.name}' is used before it is defined")
                if need.stage not in reached:
                    reached.add(need.stage)
                    pending.append(need.stage)
        return sorted(reached)

    def origin(self, index: int) -> Need:
        """Return the base that a stage stands on in the end: an image, or scratch."""
        while (below := self.bases[index].stage) is not None:
            index = below
        return self.bases[index]

    def platform(self, index: int) -> Platform | None:
        """Return the platform that a stage's FROM asks for, or that of the stage it stands on; None for the build's."""
        while (own := self._platform(self._stages[index])) is None and (below := self.bases[index].stage) is not None:
            index = below
        return own

    def _base(self, stage: Stage) -> Need:
        line = stage.origin.line
        name = expand(self._lexer, stage.base, self._variables, line=line)
        if not name:
            raise at_line(line, f"'{stage.base}' comes to nothing, so FROM names no image")
        platform = self._platform(stage)
        written = Written(stage.base_span, name)
        if (known := self._names.get(name.lower())) is not None:
            return Need(line, written, stage=known)
        return _image(line, written, platform)

    def _platform(self, stage: Stage) -> Platform | None:
        if not stage.platform:
            return None
        line = stage.origin.line
        text = expand(self._lexer, stage.platform, self._variables, line=line)
        try:
            return platforms.parse(text)
        except LanguageError as error:
            raise at_line(line, error.message.removesuffix(".")) from None

    def _needs(self, stage: Stage) -> Iterator[Need]:
        base = self.bases[stage.index]
        yield base
        deferred = self._stages[base.stage].body if base.stage is not None else ()
        for instruction in deferred:
            if instruction.trigger:
                yield from self._sources(instruction.trigger)
        for instruction in stage.body:
            yield from self._sources(instruction)

    def _sources(self, instruction: Instruction) -> Iterator[Need]:
        for flag, span in zip(instruction.flags, instruction.flag_spans, strict=True):
            match instruction.keyword, flag.name, flag.value:
                case Keyword.COPY, "from", str(name) if name:
                    yield self._source(instruction.line, Written(span, name, "--from="))
                case Keyword.RUN, "mount", str(value) if parts := mount_source(value):
                    before, name, after = parts
                    yield self._source(instruction.line, Written(span, name, f"--mount={before}", after))

    def _source(self, line: int, written: Written) -> Need:
        name = written.name
        if expand(self._lexer, name, {}, line=line) != name:
            raise at_line(line, f"'{name}' cannot be a variable here: name a stage that is built FROM it")
        if written.before == "--from=" and _NUMBER.fullmatch(name):
            number = self._number(name)
            if number is None:
                raise at_line(line, f"there is no stage {name}")
            return Need(line, written, stage=number)
        if (known := self._names.get(name.lower())) is not None:
            return Need(line, written, stage=known)
        return _image(line, written)

    def _number(self, text: str) -> int | None:
        number = int(text) if _NUMBER.fullmatch(text) else -1
        return number if 0 <= number < len(self._stages) else None

    def _refuse_circles(self) -> None:
        """Refuse circles of what is copied and mounted, reached or not; one through a FROM matters once reached."""
        edges = {
            index: [need.stage for need in needs[1:] if need.stage is not None]
            for index, needs in enumerate(self.needs)
        }
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            circle: list[int] = error.args[1]
            names = " -> ".join(f"'{self._stages[index]}'" for index in circle)
            raise at_line(self._stages[circle[0]].origin.line, f"stages need each other: {names}") from None


def _image(line: int, written: Written, platform: Platform | None = None) -> Need:
    if written.name == SCRATCH:
        return Need(line, written)
    try:
        reference = Reference.parse(written.name)
    except LanguageError as error:
        raise at_line(line, error.message.removesuffix(".")) from None
    return Need(line, written, image=BaseImage(written.name, reference, line, platform))
