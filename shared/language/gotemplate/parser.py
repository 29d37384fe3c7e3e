"""Parses Go templates into `nodes`, with the error texts of Go's `text/template/parse`."""

from collections.abc import Collection, Mapping

from shared.language.errors import TemplateError
from shared.language.gotemplate import constants
from shared.language.gotemplate.lexer import Kind, Lexer, Token
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.nodes import (
    Action,
    Block,
    Break,
    Call,
    Chain,
    Command,
    Constant,
    Continue,
    Dot,
    Field,
    Identifier,
    If,
    Nil,
    Node,
    Operand,
    Pipeline,
    Range,
    Template,
    Text,
    Variable,
    With,
)

_BRANCHES: Mapping[str, type[If | With | Range]] = {"if": If, "with": With, "range": Range}
_END_OF_COMMAND = frozenset((Kind.RIGHT, Kind.CLOSE))
_RANGE_VARIABLES = 2


def parse(text: str, name: str, functions: Collection[str], meter: Meter) -> Template:
    """Parse `text`; `functions` are the names that it may call, `meter` pays for the tokens.

    Raises:
        TemplateError: with Go's text, `template: NAME:LINE: …`.
        TaskTooLarge: the meter ran out.

    """
    return _Parser(text, name, functions, meter).template()


class _Parser:
    def __init__(self, text: str, name: str, functions: Collection[str], meter: Meter) -> None:
        self._source = text
        self._name = name
        self._functions = functions
        self._meter = meter
        self._tokens = Lexer(text).tokens()
        self._ahead: list[Token] = []
        self._last = Token(Kind.TEXT, "", 0, 1)
        self._variables = ["$"]
        self._loops = 0
        self._defined: dict[str, Block] = {}

    def template(self) -> Template:
        root, end = self._block(top=True)
        if end.kind is not Kind.END:
            raise self._error(f"unexpected {{{{{end.text}}}}}")
        return Template(self._name, self._source, root, self._defined)

    # Tokens

    def _next(self) -> Token:
        if not self._ahead:
            self._meter.work()
        self._last = self._ahead.pop() if self._ahead else next(self._tokens)
        return self._last

    def _back(self, token: Token) -> None:
        self._ahead.append(token)

    def _peek(self) -> Token:
        token = self._next()
        self._back(token)
        return token

    def _next_word(self) -> Token:
        token = self._next()
        while token.kind is Kind.SPACE:
            token = self._next()
        return token

    def _peek_word(self) -> Token:
        token = self._next_word()
        self._back(token)
        return token

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._next_word()
        if token.kind is not kind:
            raise self._unexpected(token, context)
        return token

    def _error(self, message: str) -> TemplateError:
        return TemplateError(f"template: {self._name}:{self._last.line}: {message}", parsing=True)

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        if token.kind is Kind.ERROR:
            return self._error(token.text)
        shown = "EOF" if token.kind is Kind.END else _shown(token)
        return self._error(f"unexpected {shown} in {context}")

    # Blocks

    def _block(self, *, top: bool = False) -> tuple[Block, Token]:
        """Read up to `end`, `else` or the end of the text; gives that token."""
        nodes: list[Node] = []
        while True:
            token = self._next()
            if token.kind is Kind.TEXT:
                nodes.append(Text(token.position, token.text))
            elif token.kind is Kind.LEFT:
                keyword = self._next_word()
                if keyword.kind is Kind.KEYWORD and keyword.text in ("end", "else"):
                    return tuple(nodes), keyword
                node = self._action(keyword, top=top)
                if node is not None:
                    nodes.append(node)
            elif token.kind is Kind.END:
                return tuple(nodes), token
            else:
                raise self._unexpected(token, "input")

    def _body(self) -> tuple[Block, Token]:
        block, end = self._block()
        if end.kind is Kind.END:
            raise self._error("unexpected EOF")
        return block, end

    def _action(self, token: Token, *, top: bool) -> Node | None:
        if token.kind is not Kind.KEYWORD:
            self._back(token)
            return Action(token.position, self._pipeline("command", Kind.RIGHT))
        if token.text in _BRANCHES:
            return self._branch(token)
        if token.text in ("break", "continue"):
            return self._jump(token)
        if token.text == "template":
            return self._call()
        if token.text == "block":
            return self._named_block(token)
        if not top:
            raise self._error("unexpected {{define}}")
        self._define()
        return None

    def _branch(self, token: Token) -> Node:
        scope = len(self._variables)
        pipeline = self._pipeline(token.text, Kind.RIGHT)
        self._loops += token.text == "range"
        body, end = self._body()
        self._loops -= token.text == "range"
        otherwise: Block = ()
        if end.text == "else":
            otherwise = self._otherwise(token)
        else:
            self._expect(Kind.RIGHT, "end")
        del self._variables[scope:]
        return _BRANCHES[token.text](token.position, pipeline, body, otherwise)

    def _otherwise(self, token: Token) -> Block:
        following = self._peek_word()
        if token.text == "if" and following.kind is Kind.KEYWORD and following.text == "if":
            return (self._branch(self._next_word()),)
        self._expect(Kind.RIGHT, "else")
        block, end = self._body()
        if end.text != "end":
            raise self._error("expected end; found {{else}}")
        self._expect(Kind.RIGHT, "end")
        return block

    def _jump(self, token: Token) -> Node:
        following = self._next_word()
        if following.kind is not Kind.RIGHT:
            raise self._unexpected(following, f"{{{{{token.text}}}}}")
        if not self._loops:
            raise self._error(f"{{{{{token.text}}}}} outside {{{{range}}}}")
        return Break(token.position) if token.text == "break" else Continue(token.position)

    def _template_name(self, context: str) -> Token:
        token = self._next_word()
        if token.kind is not Kind.STRING:
            raise self._unexpected(token, context)
        return token

    def _call(self) -> Call:
        name = self._template_name("template clause")
        pipeline = None
        if self._peek_word().kind is Kind.RIGHT:
            self._next_word()
        else:
            pipeline = self._pipeline("template clause", Kind.RIGHT)
        return Call(name.position, self._unquoted(name), name.text, pipeline)

    def _named_block(self, token: Token) -> Call:
        name = self._template_name("block clause")
        pipeline = self._pipeline("block clause", Kind.RIGHT)
        self._defined.setdefault(self._unquoted(name), self._separate("block clause"))
        return Call(token.position, self._unquoted(name), name.text, pipeline)

    def _define(self) -> None:
        name = self._template_name("define clause")
        self._expect(Kind.RIGHT, "define clause")
        body = self._separate("define clause")
        if body or self._unquoted(name) not in self._defined:
            self._defined[self._unquoted(name)] = body

    def _separate(self, context: str) -> Block:
        """Read the body of a template of its own: it sees no variable and no loop from outside."""
        outer, self._variables = self._variables, ["$"]
        loops, self._loops = self._loops, 0
        body, end = self._body()
        if end.text != "end":
            raise self._error(f"unexpected {{{{else}}}} in {context}")
        self._expect(Kind.RIGHT, context)
        self._variables, self._loops = outer, loops
        return body

    # Pipelines

    def _pipeline(self, context: str, end: Kind) -> Pipeline:
        start = self._peek_word()
        variables, assigns = self._declarations(context)
        commands: list[Command] = []
        while True:
            token = self._next_word()
            if token.kind is end:
                return self._checked(Pipeline(start.position, tuple(commands), variables, assigns), context)
            if token.kind in _OPERANDS:
                self._back(token)
                commands.append(self._command())
            else:
                raise self._unexpected(token, context)

    def _checked(self, pipeline: Pipeline, context: str) -> Pipeline:
        if not pipeline.commands:
            raise self._error(f"missing value for {context}")
        for stage, command in enumerate(pipeline.commands[1:], 2):
            if isinstance(command.words[0], Constant | Dot | Nil):
                raise self._error(f"non executable command in pipeline stage {stage}")
        return pipeline

    def _declarations(self, context: str) -> tuple[tuple[Variable, ...], bool]:
        variables: list[Variable] = []
        while (variable := self._peek_word()).kind is Kind.VARIABLE:
            self._next_word()
            following = self._peek()
            if following.kind is Kind.SPACE:
                self._next()
                operator = self._peek()
            else:
                operator = following
            if operator.kind in (Kind.DECLARE, Kind.ASSIGN):
                self._next()
                variables.append(Variable(variable.position, variable.text))
                self._variables.append(variable.text)
                return tuple(variables), operator.kind is Kind.ASSIGN
            if operator.kind is Kind.COMMA:
                self._next()
                variables.append(Variable(variable.position, variable.text))
                self._variables.append(variable.text)
                self._check_second(context, len(variables))
                continue
            if following.kind is Kind.SPACE:
                self._back(following)
            self._back(variable)
            break
        return tuple(variables), False

    def _check_second(self, context: str, count: int) -> None:
        if context != "range" or count >= _RANGE_VARIABLES:
            raise self._error(f"too many declarations in {context}")
        if self._peek_word().kind is not Kind.VARIABLE:
            raise self._error("range can only initialize variables")

    def _command(self) -> Command:
        start = self._peek_word().position
        words: list[Operand] = []
        while True:
            self._peek_word()
            operand = self._operand()
            if operand is not None:
                words.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in _END_OF_COMMAND:
                self._back(token)
            elif token.kind is not Kind.PIPE:
                raise self._unexpected(token, "operand")
            break
        if not words:
            raise self._error("empty command")
        return Command(start, tuple(words))

    def _operand(self) -> Operand | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        position = self._peek().position
        fields: list[str] = []
        while self._peek().kind is Kind.FIELD:
            fields.append(self._next().text[1:])
        match node:
            case Field():
                return Field(position, (*node.names, *fields))
            case Variable():
                return Variable(position, node.name, (*node.fields, *fields))
            case Constant() | Nil() | Dot():
                raise self._error(f"unexpected . after term {str(node)!r}".replace("'", '"'))
        return Chain(position, node, tuple(fields))

    def _term(self) -> Operand | None:
        token = self._next_word()
        node: Operand | None = None
        match token.kind:
            case Kind.OPEN:
                node = self._pipeline("parenthesized pipeline", Kind.CLOSE)
            case Kind.IDENTIFIER:
                node = Identifier(token.position, token.text)
            case Kind.DOT:
                node = Dot(token.position)
            case Kind.NIL:
                node = Nil(token.position)
            case Kind.VARIABLE:
                node = Variable(token.position, token.text)
            case Kind.FIELD:
                node = Field(token.position, (token.text[1:],))
            case _:
                node = self._constant(token)
        if isinstance(node, Identifier) and node.name not in self._functions:
            raise self._error(f'function "{node.name}" not defined')
        if isinstance(node, Variable) and node.name not in self._variables:
            raise self._error(f'undefined variable "{node.name}"')
        return node

    def _constant(self, token: Token) -> Constant | None:
        try:
            match token.kind:
                case Kind.BOOL:
                    return Constant(token.position, token.text, token.text == "true")
                case Kind.STRING:
                    return Constant(token.position, token.text, constants.unquote(token.text))
                case Kind.CHARACTER:
                    return Constant(token.position, token.text, ord(constants.unquote(token.text)))
                case Kind.NUMBER:
                    return Constant(token.position, token.text, constants.number(token.text))
        except (ValueError, TypeError, OverflowError) as error:
            raise self._error(str(error)) from None
        self._back(token)
        return None

    def _unquoted(self, token: Token) -> str:
        try:
            return constants.unquote(token.text)
        except ValueError as error:
            raise self._error(str(error)) from None


_OPERANDS = frozenset(
    (
        Kind.BOOL,
        Kind.CHARACTER,
        Kind.DOT,
        Kind.FIELD,
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.NIL,
        Kind.STRING,
        Kind.VARIABLE,
        Kind.OPEN,
    )
)


def _shown(token: Token) -> str:
    if token.kind is Kind.KEYWORD:
        return f"<{token.text}>"
    escaped = token.text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
