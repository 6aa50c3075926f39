"""One tree of errors, with tables of error codes and exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a client of a running server raises errors without loading orch.types
    from orch.types import Attempt

EXIT_CODES = {
    "usage": 2,
    "config": 2,
    "bad_input": 2,
    "not_kept": 2,
    "remote": 2,
    "no_provider": 3,
    "model_not_found": 4,
    "context_overflow": 5,
    "timeout": 6,
    "all_failed": 7,
    "unable": 7,
    "busy": 7,
    "turn_in_progress": 7,
    "hung_up": 129,
    "interrupted": 130,
    "reader_gone": 141,
    "terminated": 143,
    "locked": 1,
    "corrupt": 1,
    "memory": 1,
    "denied": 2,
    "dimension": 2,
    "unreachable": 3,
    "error": 1,
}
"""`error.code` of a run to the exit code of the process; 1 for every other code."""

RUN_CODES = {
    "connect": "no_provider",
    "model_not_found": "model_not_found",
    "context_overflow": "context_overflow",
    "timeout": "timeout",
    "stalled": "timeout",
    "rate_limited": "all_failed",
    "loading": "all_failed",
    "busy": "busy",
    "turn_in_progress": "turn_in_progress",
    "server_error": "all_failed",
    "rejected": "unable",
    "bad_option": "bad_input",
    "bad_input": "bad_input",
    "denied": "all_failed",
    "content_filter": "all_failed",
    "bad_response": "all_failed",
    "stream_error": "all_failed",
    "cut": "all_failed",
    "empty": "all_failed",
    "invalid_json": "all_failed",
    "schema_mismatch": "all_failed",
    "tool_call_invalid": "all_failed",
    "remote": "remote",
    "remote_answer": "all_failed",
    "interrupted": "interrupted",
}
"""`code` of a failed attempt to the run's code, if every attempt failed in the same way."""


class _PicklableError(Exception):
    """An error that keeps its attributes when it is pickled, as process pools and task queues do:
    `Exception` would call its constructor with the message alone."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _empty_error, (type(self), self.args), self.__dict__


def _empty_error(kind: type[Exception], args: tuple[Any, ...]) -> Exception:
    return kind.__new__(kind, *args)


class OrchError(_PicklableError):
    """What happened, and in `hint` what to type next. Holds the partial answer and all
    attempts, and of too long a prompt the tokens that it needs and those that there are.

    `param` is the field of a request that is at fault, as a path: `messages[0].role`.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        code: str = "",
        partial: str = "",
        attempts: Sequence[Attempt] = (),
        warnings: Sequence[str] = (),
        run_id: str = "",
        retry_after_s: float | None = None,
        prompt_tokens: int | None = None,
        context_tokens: int | None = None,
        param: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.code
        self.partial = partial
        self.attempts = tuple(attempts)
        self.warnings = tuple(warnings)
        self.run_id = run_id
        self.retry_after_s = retry_after_s
        self.prompt_tokens, self.context_tokens = prompt_tokens, context_tokens
        self.param = param

    @property
    def exit_code(self) -> int:
        """The process's exit code for this error."""
        return EXIT_CODES.get(self.code, 1)


class UsageError(OrchError):
    """A command or a call with missing, unknown or contradictory arguments."""

    code = "usage"


class ModelNotFoundError(OrchError):
    """No model has this name, or the one that has it is not installed."""

    code = "model_not_found"

    def __init__(self, name: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.name = name


class InputError(OrchError):
    """Piped input, or a file, that can't be used."""

    code = "bad_input"


class ConfigError(OrchError):
    """models.yaml or routing.yaml can't be used; `problems` lists every fault with its place."""

    code = "config"

    def __init__(self, message: str, hint: str = "", *, problems: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.problems = tuple(problems)


class JournalError(OrchError):
    """The journal can't be read or written."""


class ProviderError(_PicklableError):
    """A provider's failure. `code` is one of RUN_CODES; `retry_after_s` is the server's own wait.

    `has_free_slot`: of a `busy` provider that lacks memory only, so that a loaded model may run.
    `remote_host` is the machine that answered although the provider's own machine should have.
    `prompt_tokens` and `context_tokens` are the counts of a refusal for a full context.
    `cause` narrows the code down for a hint: certificate, unfit_certificate, trust_file, tls,
    not_http, path, redirect or page; empty if nothing is known.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after_s: float | None = None,
        has_free_slot: bool = False,
        remote_host: str = "",
        prompt_tokens: int | None = None,
        context_tokens: int | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(message)
        self.code, self.cause = code, cause
        self.message = message
        self.retry_after_s = retry_after_s
        self.has_free_slot = has_free_slot
        self.remote_host = remote_host
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


def run_code(attempts: Sequence[Attempt]) -> str:
    """The error code of a run without an answer: what all attempts share, else `all_failed`."""
    codes = {RUN_CODES.get(attempt.code, "all_failed") for attempt in attempts}
    return codes.pop() if len(codes) == 1 else "all_failed"
