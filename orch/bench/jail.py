"""Child processes of `sandbox`: one runs the code of a model, the other its tests, each after
confining itself with Landlock (files) and seccomp (everything else).

Started as a script under `-I -S`, so it imports nothing of orch but `remote_calls` and its two
modules. The verdict comes from the process with the tests. Linux on x86_64 and aarch64 only.
"""

from __future__ import annotations

import ast
import builtins
import ctypes
import json
import os
import platform
import re
import resource
import signal
import socket
import struct
import symtable
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

MAX_MESSAGE = 200
_NO_NEW_PRIVS, _SET_SECCOMP, _SET_PDEATHSIG = 38, 22, 1
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_RULESET_VERSION = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Landlock version to the number of file rights that it knows; all are dropped."""
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL, _ALLOW, _REFUSE = 0x80000000, 0x7FFF0000, 0x00050000 | 1
_NUMBER_AT, _ARCH_AT, _SECOND_ARGUMENT_AT = 0, 4, 24
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC: with F_SETOWN a process could have signals
sent to others."""

_ARCHES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_FCNTL = (72, 25)
_SYSCALLS = """
read 0 63|write 1 64|close 3 57|fstat 5 80|lseek 8 62|mmap 9 222|mprotect 10 226|munmap 11 215
brk 12 214|rt_sigaction 13 134|rt_sigprocmask 14 135|rt_sigreturn 15 139|pread64 17 67|readv 19 65
writev 20 66|sched_yield 24 124|mremap 25 216|madvise 28 233|dup 32 23|nanosleep 35 101
getpid 39 172|exit 60 93|uname 63 160|getcwd 79 17|chdir 80 49|gettimeofday 96 169|getrusage 98 165
times 100 153|getuid 102 174|getgid 104 176|geteuid 107 175|getegid 108 177|getppid 110 173
sigaltstack 131 132|gettid 186 178|futex 202 98|sched_getaffinity 204 123|getdents64 217 61
clock_gettime 228 113|clock_getres 229 114|clock_nanosleep 230 115|exit_group 231 94|openat 257 56
newfstatat 262 79|readlinkat 267 78|faccessat 269 48|pselect6 270 72|ppoll 271 73|dup3 292 24
getrandom 318 278|membarrier 324 283|statx 332 291|rseq 334 293|faccessat2 439 439|open 2 -|stat 4 -
lstat 6 -|poll 7 -|access 21 -|select 23 -|dup2 33 -|readlink 89 -
"""
"""All that is allowed: name, number on x86_64, number on aarch64. What makes processes, sockets,
signals, owners or modes is not among them."""


def allowed_syscalls(column: int) -> list[int]:
    """The numbers of the allowed system calls, except `fcntl`."""
    entries = [entry.split() for entry in re.split(r"[|\n]", _SYSCALLS.strip())]
    return [int(entry[1 + column]) for entry in entries if entry[1 + column] != "-"]


def seccomp_program(arch: int, column: int) -> bytes:
    """The seccomp filter: kills on another architecture, allows the listed calls, refuses others
    with EPERM."""
    lines = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JUMP_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for number in allowed_syscalls(column):
        lines += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    lines += [
        (_JUMP_EQUAL, 1, 0, _FCNTL[column]),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _SECOND_ARGUMENT_AT),
    ]
    for command in _FCNTL_COMMANDS:
        lines += [(_JUMP_EQUAL, 0, 1, command), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in [*lines, (_RETURN, 0, 0, _REFUSE)])


def _check_call(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def restrict_files(libc: Any, readable: list[str]) -> None:
    """Drops every file right but reading these paths. Raises OSError without Landlock (kernels
    before 5.13, or not enabled)."""
    version = _check_call(
        libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _RULESET_VERSION), "Landlock"
    )
    rights = ctypes.c_uint64((1 << _FS_RIGHTS[min(version, max(_FS_RIGHTS))]) - 1)
    ruleset = _check_call(
        libc.syscall(_LANDLOCK_CREATE, ctypes.byref(rights), ctypes.c_size_t(8), 0), "Landlock"
    )
    for path in readable:
        if os.path.exists(path):
            file = os.open(path, os.O_PATH | os.O_CLOEXEC)
            what = _READ_FILE | _READ_DIR if os.path.isdir(path) else _READ_FILE
            rule = ctypes.create_string_buffer(struct.pack("=Qi", what, file))
            _check_call(libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0), "Landlock")
            os.close(file)
    _check_call(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "Landlock")
    os.close(ruleset)


def restrict_calls(libc: Any) -> None:
    """Restricts the process to the allowed system calls, for good. Raises OSError."""
    if platform.machine() not in _ARCHES:
        raise OSError(f"no list of system calls for {platform.machine()}")
    program = seccomp_program(*_ARCHES[platform.machine()])
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    _check_call(
        libc.prctl(_SET_SECCOMP, 2, ctypes.create_string_buffer(header, len(header)), 0, 0),
        "seccomp",
    )


def restrict_resources(limits: dict[str, int]) -> None:
    """Limits CPU, memory and open files; forbids writing files, new processes and core dumps."""
    bounds = {
        resource.RLIMIT_CPU: limits["cpu_s"],
        resource.RLIMIT_AS: limits["memory_bytes"],
        resource.RLIMIT_NOFILE: 32,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in bounds.items():
        resource.setrlimit(which, (most, most))


def readable_paths() -> list[str]:
    """What Python needs to import its standard library: that library and the system's shared ones.
    The working directory may be listed."""
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"]
    return [*sys.path, os.path.join(sys.base_prefix, "lib"), *system, "."]


def confine(limits: dict[str, int]) -> None:
    """Applies every restriction, the irrevocable one last. Raises OSError if one is unavailable."""
    libc = ctypes.CDLL(None, use_errno=True)
    _check_call(libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    _check_call(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    restrict_resources(limits)
    restrict_files(libc, readable_paths())
    restrict_calls(libc)


def _open_for_writing() -> None:
    os.open("probe", os.O_WRONLY | os.O_CREAT)


FORBIDDEN: dict[str, Callable[[], object]] = {
    "open a socket": lambda: socket.socket(),
    "make a process": lambda: os.fork(),
    "start a program": lambda: os.execv(sys.executable, [sys.executable, "-I", "-V"]),
    "send a signal": lambda: os.kill(os.getppid(), 0),
    "list the root directory": lambda: os.listdir("/"),
    "read /etc/passwd": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "write a file": _open_for_writing,
    "change a file's mode": lambda: os.chmod(".", 0o700),
}


def find_leak() -> str:
    """A forbidden operation that succeeds in the jail; empty if none does."""
    for what, attempt in FORBIDDEN.items():
        try:
            attempt()
        except PermissionError:
            continue
        except OSError as error:
            return f"{what}: {error}"
        return what
    return ""


# ---------------------------------------------------------------- code and tests


def _describe_error(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_MESSAGE]


def load_code(code: str, space: dict[str, Any]) -> str:
    """Runs the model's code as a module other than `__main__`. Returns its error, or an empty
    string. Definitions before the error stay."""
    try:
        exec(compile(code, "<answer>", "exec", dont_inherit=True), space)
    except BaseException as error:  # sys.exit() and KeyboardInterrupt must not end the process
        return _describe_error(error)
    return ""


def run_test_statements(
    tests: str, values: Callable[[list[str]], dict[str, Any]], fatal: type[BaseException]
) -> list[list[Any]]:
    """Runs the tests one statement at a time: [passed, message] for each with an assert; a failing
    setup statement is a failure too.

    `values` returns the present definitions of the code under these names; names that the tests
    bind stay. `fatal` ends all tests.
    """
    results: list[list[Any]] = []
    space: dict[str, Any] = {"__name__": "tests"}
    known: dict[str, Any] = {}
    own = {
        symbol.get_name()
        for symbol in symtable.symtable(tests, "<tests>", "exec").get_symbols()
        if symbol.is_assigned() or symbol.is_imported()
    }
    tree = ast.parse(tests)
    used = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
    for statement in tree.body:
        counts = any(isinstance(node, ast.Assert) for node in ast.walk(statement))
        now = values(used)
        space |= {
            name: value
            for name, value in now.items()
            if name not in space or (name not in own and space[name] is known.get(name))
        }
        known = now
        try:
            exec(compile(ast.Module([statement], []), "<tests>", "exec", dont_inherit=True), space)
        except fatal:
            raise
        except BaseException as error:  # as in load
            results.append([False, _failure(statement, error)])
        else:
            results += [[True, ""]] if counts else []
    return results


def _failure(statement: ast.stmt, error: BaseException) -> str:
    source = ast.unparse(statement)[:MAX_MESSAGE]
    return (
        f"{source}: {_describe_error(error)}"
        if str(error) or not isinstance(error, AssertionError)
        else source
    )


# ---------------------------------------------------------------- the two processes


def _load_remote_calls() -> Any:
    """Loads `remote_calls` from this folder: under -I no folder of orch is on the path, and once
    confined none can be read."""
    for name in ("remote_proxy", "remote_values", "remote_calls"):
        spec = spec_from_file_location(
            f"orch.bench.{name}",
            os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py"),
        )
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[spec.name] = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def _serve_code(code: str, link: Any, tell: Callable[[dict[str, Any]], None]) -> None:
    """Runs the code and serves the requests of the tests."""
    pristine = dict(vars(builtins))
    space: dict[str, Any] = {"__name__": "answer", "__builtins__": dict(pristine)}
    trouble = load_code(code, space)
    vars(builtins).update(pristine)
    sys.settrace(None)
    sys.setprofile(None)
    tell({"loaded": trouble})
    module = type(sys)

    def names() -> list[str]:
        return [name for name in space if name not in pristine and not name.startswith("__")]

    def values(wanted: list[str]) -> list[Any]:
        defined = {name: space[name] for name in wanted if name in space}
        imported = [
            name
            for name, value in defined.items()
            if type(value) is module and value.__name__ == name
        ]
        return [{name: value for name, value in defined.items() if name not in imported}, imported]

    link._do_names, link._do_values = names, values
    link.serve()


def _definitions(link: Any, used: list[str]) -> dict[str, Any]:
    """The code's definitions of the names that the tests use. A standard module imported under its
    own name is taken from this process."""
    known = set(link.request("names"))
    defined, imported = link.request("values", [name for name in used if name in known])
    modules = {name: import_module(name) for name in imported if name in sys.stdlib_module_names}
    return {str(name): value for name, value in (defined | modules).items()}


def main() -> None:
    """Reads a job as a JSON line from stdin; writes `fault`, then `loaded` (code) or `results`
    (tests).

    Code and tests call each other over two pipes of their own, so that the code cannot reach the
    tests' results. Arguments: `code` or `tests`, the pipe out, the two pipes between them.
    """
    out, *between = map(int, sys.argv[2:])
    is_code, sys.argv[:] = sys.argv[1] == "code", ["answer"]
    # held here: the code of a model may replace them in their modules
    write, dump, end = os.write, json.JSONEncoder().encode, os._exit
    remote_calls = _load_remote_calls()

    def tell(message: dict[str, Any]) -> None:
        write(out, f"{dump(message)}\n".encode())

    job = json.loads(sys.stdin.readline())
    try:
        confine(job["limits"])
        fault = find_leak()
    except OSError as error:
        fault = str(error)
    tell({"fault": fault})
    if fault or not between:
        end(0)
    link = remote_calls.RemoteLink(*between, trusting=is_code)
    if is_code:
        _serve_code(job["text"], link, tell)
        end(0)
    try:
        results = run_test_statements(
            job["text"], lambda used: _definitions(link, used), remote_calls.LinkBroken
        )
        link.request("names")  # a bare `except` in a test may have swallowed the end of the link
        tell({"results": results, "broken": ""})
    except remote_calls.LinkBroken as broken:
        tell({"results": [], "broken": str(broken)})
    end(0)


if __name__ == "__main__":
    main()
