"""ChatTemplate: a checkpoint's chat template, rendered as transformers does it, but bounded and without a clock.

A template is a program that came with the weights, and it also reads what partners say. Jinja's sandbox keeps it from
files and code, not from running for ever or filling the memory. Here every loop, call, filter and text it makes is paid
from a budget, and only filters and methods are known whose cost can be told beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from datetime import datetime
from typing import Any

from jinja2 import TemplateError, nodes, pass_context
from jinja2.ext import Extension, loopcontrols
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import _PassArg  # type: ignore[reportPrivateUsage]
from jinja2.visitor import NodeTransformer

from .budget import WIDEST, begin, characters_left, expanded, items, numbers, pay, whole

TODAY = datetime(2024, 7, 26)  # one date for every run: a prompt must not change with the day. Llama 3.1's own default
LONGEST = 1_000_000  # characters of a template

# the cost of these is that of their value's items, whatever is in them
SHALLOW = set(
    "attr batch count d default first items last length list map reject rejectattr reverse select selectattr "
    "slice".split()
)
DEEP = set(
    "abs capitalize center dictsort e escape filesizeformat float format groupby indent int join lower max min replace "
    "round safe sort string striptags sum title tojson trim truncate unique upper urlencode wordcount".split()
)
METHODS = set(
    "capitalize casefold center count endswith find format get index isalnum isalpha isascii isdecimal isdigit "
    "isidentifier islower isnumeric isprintable isspace istitle isupper items join keys ljust lower lstrip partition "
    "removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip "
    "swapcase title upper values zfill copy strftime".split()
)


class ChatTemplate:
    """``render`` gives the text of a chat; ``fixed`` are variables of every rendering, such as the special tokens.

    Raises ValueError for a template that does not compile or uses what is not known here.
    """

    def __init__(self, source: str, fixed: Mapping[str, Any]) -> None:
        self.source = source
        self._fixed = dict(fixed)
        if len(source) > LONGEST:
            raise ValueError(f"the chat template has {len(source)} characters; at most {LONGEST} are read")
        try:
            environment = _Environment()
            tree = _Watch().visit(environment.parse(source))
            self._template = environment.from_string(tree)
        except Exception as err:  # the parser recurses, and Python's compiler has limits of its own
            raise ValueError(f"the chat template cannot be used: {_told(err)}") from None

    def render(self, messages: Sequence[Mapping[str, Any]], **given: Any) -> str:
        """The text. Raises ValueError for whatever a template may raise, and for one that takes too long."""
        size = sum(len(str(message["content"])) for message in messages)
        begin(size)
        try:
            return self._template.render(
                messages=list(messages), tools=None, documents=None, **{**self._fixed, **given}
            )
        except Exception as err:
            roles = ", ".join(str(message["role"]) for message in messages)
            raise ValueError(f"the chat template refuses the roles {roles[:200]}: {_told(err)}") from None


def _told(err: Exception) -> str:
    name = "" if type(err) is TemplateError else f"{type(err).__name__}: "
    return f"{name}{' '.join(str(err).split())[:300]}"


def _filter(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """``plain``, paid for; as one that wants the context it is also never tried out while the template compiles."""
    wants = _PassArg.from_obj(plain)
    price = items if name in SHALLOW else whole

    @pass_context
    def paid(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        price(value)
        given, before = [*args, *kwargs.values()], characters_left()
        if given:
            whole(given)
            numbers(given)
            if name in SHALLOW:  # what is given may be used for each item
                pay(1, (before - characters_left()) * (len(value) if isinstance(value, Sized) else WIDEST))
        expanded(name, value, given)
        first = {
            _PassArg.context: [context],
            _PassArg.eval_context: [context.eval_ctx],
            _PassArg.environment: [context.environment],
        }.get(wants, []) if wants else []  # fmt: skip
        return items(plain(*first, value, *args, **kwargs))

    return paid


@pass_context
def _loop(context: Context, value: Iterable[Any], each: int) -> Any:
    """What a loop goes over; ``each`` is how many characters of the template one turn writes."""
    length = len(value) if isinstance(value, Sized) else None
    if length is None or length > 1000:  # it may well stop before the end
        return _turns(value, each)
    pay(1 + length, each * length)
    return value


def _turns(value: Iterable[Any], each: int) -> Iterator[Any]:
    for item in value:
        pay(1, each)
        yield item


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "**", "%"])

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols], optimized=False)
        known = {**self.filters, "tojson": _tojson}
        self.filters = {name: _filter(name, known[name]) for name in SHALLOW | DEEP}
        # names that no template can spell
        self.filters |= {"loop!": _loop, "whole!": pass_context(lambda context, value: whole(value))}
        self.filters |= {"items!": pass_context(lambda context, value: items(value))}
        del self.globals["lipsum"]
        self.globals["raise_exception"] = _raise
        self.globals["strftime_now"] = TODAY.strftime

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        plain = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps str.format
        owner, name = getattr(plain, "__self__", None), getattr(plain, "__name__", "")
        pay()
        if isinstance(owner, (str, Mapping, list, tuple, datetime)):
            if name not in METHODS:
                raise TemplateError(f"the method {name} is not known here")
            given = [*args, *(kwargs[key] for key in kwargs if not key.startswith("_"))]  # those are Jinja's own
            whole(given)
            items(owner)
            expanded(name, owner, given)
            numbers(given)
        made = super().call(__context, __obj, *args, **kwargs)
        return whole(made) if isinstance(made, dict) else items(made)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            bits = [value.bit_length() if isinstance(value, int) else 64 for value in (left, right)]
            if bits[0] * (right if operator == "**" else 1) > WIDEST or bits[1] > WIDEST:
                raise TemplateError(f"a number of more than {WIDEST} bits")
            pay()
        elif operator == "*":
            times, what = (left, right) if isinstance(left, int) else (right, left)
            size = (len(what) if isinstance(what, Sized) else 0) * int(times)
            pay(1 + (0 if isinstance(what, str) else size), size)
        else:
            if operator == "%":
                whole(right)
                expanded("format", left, ())
            items(left)
            items(right)
        return super().call_binop(context, operator, left, right)


class _Watch(NodeTransformer):
    """Puts the paying in: around what loops go over, what is written, searched, compared, cut or put together."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        each = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        if node.recursive:
            raise TemplateError("recursive loops are not known here")
        node.iter = _paid("loop!", node.iter, nodes.Const(each))
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        free = (nodes.TemplateData, nodes.Const, nodes.BinExpr, nodes.Filter, nodes.Call)  # the last three have paid
        node.nodes = [child if isinstance(child, free) else _paid("whole!", child) for child in node.nodes]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.nodes = [child if isinstance(child, nodes.Const) else _paid("whole!", child) for child in node.nodes]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        short = isinstance(node.expr, nodes.Const)
        for operand in node.ops:
            # to compare with something short is quick, to look for it is not
            if operand.op in ("in", "notin") or not (short or isinstance(operand.expr, nodes.Const)):
                operand.expr = _paid("whole!", operand.expr)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if node.args:
            node.node = _paid("whole!", node.node)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return _paid("items!", node)
        if not isinstance(node.arg, nodes.Const):
            node.arg = _paid("whole!", node.arg)
        return node

    def _literal(self, node: Any) -> nodes.Node:
        self.generic_visit(node)
        return _paid("whole!", node) if getattr(node, "ctx", "load") == "load" and node.items else node

    visit_List = visit_Tuple = visit_Dict = _literal  # noqa: N815


def _paid(name: str, node: Any, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


class _Generation(Extension):
    """``{% generation %}`` marks what the model says, for training; here it is its contents."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: Any) -> None:
    raise TemplateError(str(message))
