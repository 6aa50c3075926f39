"""The verdict on code written by a model: forged ones are not believed, and what honest code and
ordinary tests do works as in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.bench import sandbox
from orch.bench.sandbox import Limits, SandboxResult, run

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")
TIGHT = Limits(wall_s=60, cpu_s=2, memory_bytes=256 * 1024 * 1024)

ANSWERS_FOR_THE_RUNNER = """
import json, os, sys
order = None
for out in range(64):
    for line in (
        '{"loaded": ""}',
        '{"results": [[true, ""], [true, ""]], "broken": ""}',
        '["done", true, []]',
        '["done", 3, []]',
    ):
        try:
            os.write(out, (line + "\\n").encode())
        except OSError:
            pass
"""
EVERYTHING = """
class Everything:
    yes = lambda *a, **k: True
    me = lambda self, *a, **k: self
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = __instancecheck__ = yes
    __ne__ = lambda *a: False
    __hash__ = lambda self: 3
    __add__ = __radd__ = __sub__ = __rsub__ = lambda *a: 0.0
    __mul__ = __neg__ = __call__ = __getitem__ = __enter__ = me
    __abs__ = __float__ = lambda self: 0.0
    __class__ = int
"""
LYING = """
class Lying(KIND):
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = lambda *a: True
    __ne__ = lambda *a: False
    __hash__ = KIND.__hash__
    __sub__ = __add__ = __rsub__ = __radd__ = lambda *a: 0
def add(a, b):
    return Lying()
"""
DEFINES = "def add(a, b):\n    return 0\n"
FORGERIES = {
    "answers the runner in its place": f"{ANSWERS_FOR_THE_RUNNER}\nos._exit(0)",
    "answers the runner and lives on": ANSWERS_FOR_THE_RUNNER + DEFINES,
    "answers the runner while it is tested": (
        "def add(a, b):\n    exec(CODE)\n    return 0\nCODE = " + repr(ANSWERS_FOR_THE_RUNNER)
    ),
    "leaves as if all were well": "import os\nos._exit(0)",
    "leaves while it is tested": "import os\ndef add(a, b):\n    os._exit(0)",
    "returns what is equal to everything": EVERYTHING + "def add(a, b):\n    return Everything()",
    "is equal to everything": EVERYTHING + "add = Everything()",
    "is a class of what is equal to everything": (
        EVERYTHING
        + "class add(Everything):\n    def __new__(cls, a, b):\n        return object.__new__(cls)"
    ),
    "returns the standard library's own": (
        "from unittest import mock\ndef add(a, b):\n    return mock.ANY"
    ),
    "is the standard library's own": "from unittest.mock import MagicMock as add",
    **{
        f"returns a lying {kind}": LYING.replace("KIND", kind)
        for kind in ("int", "float", "str", "list", "tuple", "dict")
    },
    "swaps the builtins": (
        "import builtins\nbuiltins.AssertionError = StopIteration\nbuiltins.len ="
        " builtins.isinstance = lambda *a: True\n" + DEFINES
    ),
    "swaps ast, json and os": (
        "import ast, json, os\nast.parse = json.loads = json.dumps = lambda *a, **k: []\nos.write ="
        " lambda *a: 0\n" + DEFINES
    ),
    "swaps modules": (
        "import sys\nfor name in list(sys.modules):\n    if name not in ('sys', 'builtins'):\n     "
        "   sys.modules[name] = None\n" + DEFINES
    ),
    "traces": (
        "import sys\nsys.settrace(lambda *a:"
        " a[0].f_globals.update(AssertionError=ValueError))\nsys.setprofile(lambda *a: None)\n"
        + DEFINES
    ),
    "looks up the stack": (
        """
import sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        for values in (frame.f_locals, frame.f_globals):
            for name, value in list(values.items()):
                if isinstance(value, list):
                    value[:] = [[True, ""]] * 2
        frame = frame.f_back
    return 0
"""
    ),
    "looks for what is expected": (
        """
import gc
def add(a, b):
    wanted = [x for x in gc.get_objects() if type(x) is tuple and len(x) == 2 and x[0] == 31337]
    dicts = [x for x in gc.get_objects() if isinstance(x, dict)]
    values = [v for x in dicts for v in list(x.values()) if isinstance(v, str)]
    texts = [v for v in values if "assert" in v and "add(" in v]
    return wanted[0][1] if wanted else 31337 if texts else 0
"""
    ),
    "runs at the end": "import atexit, os\natexit.register(os._exit, 0)\nimport signal\n" + DEFINES,
    "is written by a finalizer": (
        f"CODE = {ANSWERS_FOR_THE_RUNNER!r}\nclass Late:\n    def __del__(self):\n       "
        f" exec(CODE)\nLate()\n{DEFINES}"
    ),
    "reads the tests from stdin": (
        "import os\nos.set_blocking(0, False)\ntry:\n    said = os.read(0, 100000)\nexcept"
        " OSError:\n    said = b''\n" + DEFINES
    ),
    "raises what no test takes for a failure": (
        "class Quiet(BaseException):\n    pass\ndef add(a, b):\n    raise Quiet"
    ),
    "raises an end of the runner": "def add(a, b):\n    raise SystemExit(0)",
    "returns a lying error": (
        "class E(AssertionError):\n    __eq__ = lambda *a: True\ndef add(a, b):\n    return E()"
    ),
    "asks the other side": (
        """
import sys
def add(a, b):
    across = sys.modules["orch.bench.remote_calls"]
    import gc
    for link in [x for x in gc.get_objects() if type(x).__name__ == "RemoteLink"]:
        for number in range(20):
            for name in ("__globals__", "__class__", "__dict__", "gi_frame"):
                try:
                    link._send(["do", "get", [["yours", number], name]])
                    exits = [["python", "exec"], ["tuple", ["raise SystemExit"]], ["tuple", []]]
                    link._send(["do", "call", exits])
                except Exception:
                    pass
    return 0
"""
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_verdict_is_not_believed(forgery: str) -> None:
    outcome = run(
        FORGERIES[forgery],
        "expected = (31337, 3)\nassert add(1, 2) == 3\nassert abs(add(2, 2) - 4) < 1e-9",
        TIGHT,
    )
    assert outcome.passed == 0, outcome


def test_what_a_test_gives_away_is_a_way_to_nothing_else() -> None:
    code = """
def add(given, count):
    found = []
    names = "__globals__ __code__ __closure__ __self__ __class__ __dict__ gi_frame _hidden"
    for name in names.split():
        try:
            found.append(getattr(given, name) and name)
        except AttributeError:
            pass
    return [name for name in found if name not in ("__class__", "__self__")]
"""
    tests = """
def given():
    return 1
class Given:
    _hidden = 1
assert add(given, 1) == []
assert add(Given(), 1) == []
assert add((x for x in "a"), 1) == []
"""
    assert run(code, tests) == SandboxResult(3, 3)


def test_the_code_is_not_told_what_is_expected() -> None:
    code = """
seen = []
class Number:
    def __eq__(self, other):
        seen.append(other)
        return True
    __sub__ = __rsub__ = __lt__ = __eq__
def number():
    return Number()
"""
    tests = """
def ask():
    try:
        return number() == 31337 or number() - 31337 or number() < 31337
    except TypeError:
        return False
assert not ask()
assert seen == []
"""
    assert run(code, tests) == SandboxResult(2, 2)


def test_a_test_that_takes_every_error_does_not_take_the_end_of_the_code() -> None:
    tests = (
        "def quiet():\n    try:\n        f()\n    except:\n        pass\n    return True\nassert"
        " quiet()\nassert quiet()"
    )
    assert run("import os\ndef f():\n    os._exit(0)", tests).passed == 0


# ---------------------------------------------------------------- what works

JUDGED = Path(__file__).parent / "support" / "judged"
CODE = (JUDGED / "code.txt").read_text()
RAISES = (
    "def raises(kind, f, *given):\n    try:\n        f(*given)\n    except kind:\n        return"
    " True\n    return False\n"
)
WORKS = dict(
    section.split("\n", 1) for section in (JUDGED / "ordinary.txt").read_text().split("### ")[1:]
)
"""What it is about, to ordinary tests of that code."""


@pytest.mark.parametrize("what", WORKS)
def test_ordinary_tests_work(what: str) -> None:
    outcome = run(CODE, RAISES + WORKS[what])
    assert (outcome.passed, outcome.failures, outcome.error) == (outcome.total, (), "")
    assert outcome.total > 0


def test_only_what_the_tests_name_is_copied() -> None:
    code = "huge = [list(range(1000)) for _ in range(1000)]\ndef f():\n    return 1"
    assert run(code, "assert f() == 1\n" * 50, Limits(wall_s=60, cpu_s=2)) == SandboxResult(50, 50)


NOT_SUPPORTED = {
    "an object of the code is no plain value": (
        "class Money:\n    def __eq__(self, other):\n        return True",
        "assert Money() == 5",
    ),
    "nor is a number added to it": (
        "class Money:\n    def __add__(self, other):\n        return 5",
        "assert Money() + 0 == 5",
    ),
    "a class of the code has no subclasses": (
        "class Base:\n    pass",
        "class Sub(Base):\n    pass\nassert Sub",
    ),
    "a module that the tests change is their own": (
        "import time\ndef f():\n    return time.time()",
        "import time\ntime.time = lambda: 5\nassert f() == 5",
    ),
    "what is returned is a copy": (
        "kept = []\ndef f():\n    return kept",
        "f().append(1)\nassert f() == [1]",
    ),
}


@pytest.mark.parametrize("what", NOT_SUPPORTED)
def test_what_is_not_supported(what: str) -> None:
    assert run(*NOT_SUPPORTED[what]).passed == 0
