"""YAML as gopkg.in/yaml.v2 reads it: the first document as a tree of nodes whose scalars stay text.

libyaml does the scanning, of which yaml.v2 is a port, so that both accept the same texts and complain alike.
The tree is built here from the parser's events: without recursion, with limits, and without constructing objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from shared.language import limits
from shared.language.errors import TaskTooLarge, YamlError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STANDARD_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Scalar:
    """A scalar's text; `plain` when it stood without quotes and tag. Lines count from 1."""

    text: str
    line: int
    plain: bool
    tag: str = ""


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """A map: its pairs in the order of the text, duplicates and merge keys included."""

    line: int
    pairs: list[tuple[Node, Node]] = field(default_factory=list)


type Node = Scalar | Sequence | Mapping


def parse(text: str) -> Node | None:
    """Read the first document; None when there is none.

    Raises:
        YamlError: not YAML, with yaml.v2's text.
        TaskTooLarge: nested too deeply or too many nodes.

    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise YamlError("yaml: invalid Unicode character") from None
    try:
        return _Composer().compose(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        raise YamlError(_problem(error)) from None
    except yaml.reader.ReaderError:
        raise YamlError("yaml: control characters are not allowed") from None


def entries(mapping: Mapping) -> Iterator[tuple[Node, Node]]:
    """Give the pairs with merge keys replaced by what they merge; a later pair is meant to win.

    Raises:
        YamlError: a merge of something that is not a map.

    """
    for key, value in mapping.pairs:
        if isinstance(key, Scalar) and key.text == "<<" and key.plain:
            yield from _merged(value)
        else:
            yield key, value


def _merged(value: Node) -> Iterator[tuple[Node, Node]]:
    sources = reversed(value.items) if isinstance(value, Sequence) else (value,)
    for source in sources:
        if not isinstance(source, Mapping):
            raise YamlError("yaml: map merge requires map or sequence of maps as the value")
        yield from entries(source)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Word a libyaml error as yaml.v2's `fail` does: scanner errors are counted from 1, parser errors from 0."""
    line = 0
    if error.problem_mark and error.problem_mark.line:
        line = error.problem_mark.line + isinstance(error, yaml.scanner.ScannerError)
    elif error.context_mark:
        line = error.context_mark.line
    where = f"line {line}: " if line else ""
    return f"yaml: {where}{error.problem or 'unknown problem parsing YAML content'}"


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


@dataclass
class _Composer:
    """Builds the tree. A repeated anchor shares its node but counts again."""

    _anchors: dict[str, Node] = field(default_factory=dict)
    _sizes: dict[int, int] = field(default_factory=dict)
    _open: list[_Frame] = field(default_factory=list)
    _count: int = 0

    def compose(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            match event:
                case yaml.DocumentEndEvent():
                    return root
                case yaml.ScalarEvent():
                    root = self._place(self._scalar(event), event) or root
                case yaml.AliasEvent():
                    self._alias(str(event.anchor))
                case yaml.SequenceStartEvent():
                    self._begin(Sequence(_line(event)), event)
                case yaml.MappingStartEvent():
                    self._begin(Mapping(_line(event)), event)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    root = self._finish() or root
        return root

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        self._spend(1)
        tag = event.tag if event.tag and event.tag != "!" else ""
        return Scalar(event.value, _line(event), bool(event.implicit[0]) and not tag, tag)

    def _spend(self, nodes: int) -> None:
        self._count += nodes
        if self._count > limits.NODES:
            raise TaskTooLarge("yaml: document contains excessive aliasing or too many values")

    def _begin(self, node: Sequence | Mapping, event: yaml.CollectionStartEvent) -> None:
        self._spend(1)
        if len(self._open) >= limits.DEPTH:
            raise TaskTooLarge(f"yaml: exceeded max depth of {limits.DEPTH}")
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._open.append(_Frame(node, event.anchor, self._count))

    def _finish(self) -> Node | None:
        frame = self._open.pop()
        self._sizes[id(frame.node)] = self._count - frame.started + 1
        if frame.anchor:
            self._anchors[frame.anchor] = frame.node
        return self._add(frame.node)

    def _place(self, node: Scalar, event: yaml.ScalarEvent) -> Node | None:
        if event.anchor:
            self._anchors[event.anchor] = node
        return self._add(node)

    def _alias(self, name: str) -> None:
        if any(frame.anchor == name for frame in self._open):
            raise YamlError(f"yaml: anchor '{name}' value contains itself")
        if name not in self._anchors:
            raise YamlError(f"yaml: unknown anchor '{name}' referenced")
        node = self._anchors[name]
        self._spend(self._sizes.get(id(node), 1))
        self._add(node)

    def _add(self, node: Node) -> Node | None:
        """Put a finished node where it belongs; gives it back when it is the root."""
        if not self._open:
            return node
        self._open[-1].add(node)
        return None


@dataclass
class _Frame:
    """A collection that is still open."""

    node: Sequence | Mapping
    anchor: str | None
    started: int
    _key: Node | None = None

    def add(self, child: Node) -> None:
        if isinstance(self.node, Sequence):
            self.node.items.append(child)
        elif self._key is None:
            self._key = child
        else:
            self.node.pairs.append((self._key, child))
            self._key = None


def standard_tag(tag: str) -> str:
    """Shorten `tag:yaml.org,2002:str` to `!!str`."""
    return "!!" + tag.removeprefix(_STANDARD_TAG) if tag.startswith(_STANDARD_TAG) else tag
