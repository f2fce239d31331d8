"""What nobody should have to say twice in a review."""

import ast

import pytest

from tests.house.source import modules, parse

LONGEST_FILE, LONGEST_FUNCTION = 450, 60


def calls(module, names):
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            dotted = f"{node.value.id}.{node.attr}"
            if dotted in names:
                yield f"{module.path}:{node.lineno} uses {dotted}"


def pickles(module):
    for line, name in module.imports():
        if name.split(".")[0] in ("pickle", "dill", "joblib", "shelve", "cloudpickle"):
            yield f"{module.path}:{line} imports {name}"
    yield from calls(module, {"torch.load", "torch.save"})
    for node in ast.walk(module.tree):
        if isinstance(node, ast.keyword) and ast.unparse(node) == "allow_pickle=True":
            yield f"{module.path}:{node.value.lineno} allows pickles"


def swallowed(module):
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"{module.path}:{node.lineno} catches everything"


def prints(module):
    if module.room in ("cli", "__main__"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield f"{module.path}:{node.lineno} prints"


def oversized(module):
    lines = len(module.path.read_text().splitlines()) if module.path.exists() else 0
    if lines > LONGEST_FILE:
        yield f"{module.path} has {lines} lines"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # What is explained is not what is long: the docstring does not count.
            body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
            long = body[-1].end_lineno - body[0].lineno + 1
            if long > LONGEST_FUNCTION:
                yield f"{module.path}:{node.lineno} {node.name} has {long} lines"


def misnamed(module):
    if {"utils", "util", "helpers", "misc", "common"} & set(module.name.split(".")):
        yield f"{module.path}: name it after what it does"


RULES = [pickles, swallowed, prints, oversized, misnamed]


@pytest.mark.parametrize("rule", RULES)
def test_the_source_keeps_the_rule(rule):
    assert [fault for module in modules() for fault in rule(module)] == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (pickles, "core/a.py", "import pickle"),
        (pickles, "core/a.py", "def f():\n    from joblib import dump"),
        (pickles, "core/a.py", "torch.load('x')"),
        (pickles, "core/a.py", "np.load('x', allow_pickle=True)"),
        (swallowed, "core/a.py", "try:\n    f()\nexcept:\n    pass"),
        (prints, "core/a.py", "print(1)"),
        (oversized, "core/a.py", "def f():\n" + "    x()\n" * (LONGEST_FUNCTION + 1)),
        (misnamed, "core/utils.py", ""),
        (misnamed, "utils/a.py", ""),
    ],
)
def test_a_broken_rule_is_seen(rule, path, text):
    assert list(rule(parse(text, path)))
