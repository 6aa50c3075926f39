"""Errors keep what they hold when they are copied or cross to another process."""

import copy
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from orch import Orchestrator
from orch.errors import ConfigError, ModelNotFoundError, OrchError, ProviderError

ERRORS = [
    OrchError("it failed", "try again", code="busy", partial="half", run_id="r1", retry_after_s=2),
    ModelNotFoundError("m:7b", "there is no m:7b", "orch models pull m:7b"),
    ConfigError("models.yaml is wrong", "orch config validate", problems=["line 3"]),
    ProviderError("busy", "no slot", retry_after_s=1.5, cause="tls", prompt_tokens=9),
]


def _subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _subclasses(each)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "restore", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_a_copy_holds_everything(error: Exception, restore: object) -> None:
    assert callable(restore)
    restored = restore(error)
    assert type(restored) is type(error)
    assert (restored.args, str(restored)) == (error.args, str(error))
    assert vars(restored) == vars(error)


@pytest.mark.parametrize(
    "kind", [*_subclasses(OrchError), *_subclasses(ProviderError)], ids=lambda kind: kind.__name__
)
def test_every_kind_of_error_can_be_pickled(kind: type[Exception]) -> None:
    error = kind.__new__(kind, "it failed")
    vars(error).update(code="error", hint="try again")
    restored = pickle.loads(pickle.dumps(error))
    assert (type(restored), restored.args, vars(restored)) == (kind, error.args, vars(error))


def _decide_without_a_task() -> None:
    Orchestrator().decide("")


def test_an_error_crosses_a_process_pool() -> None:
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(OrchError) as caught,
    ):
        pool.submit(_decide_without_a_task).result(timeout=60)
    with pytest.raises(OrchError) as here:
        _decide_without_a_task()
    assert vars(caught.value).items() >= vars(here.value).items()
