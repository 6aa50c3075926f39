"""The frame of the page: its views, languages, themes, policy; in a real browser."""

from __future__ import annotations

import httpx
import pytest

from orch.execution.results import DEMO_MODEL_WARNING
from orch.server.web.components.reasons_es import in_spanish
from tests.support.browser import FITS, PHONE, Visit

VIEWS = ("/", "/models", "/activity", "/memory", "/settings")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_fits_a_phone_in_both_languages_and_themes(
    site: str, visit: Visit, view: str
) -> None:
    for language, dark in (("en", False), ("es", True)):
        page = visit(site + view, PHONE, dark=dark, language=language)
        page.wait_for_selector("main")
        assert page.evaluate("document.documentElement.lang").startswith(language)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert page.evaluate(FITS)


def test_the_policy_allows_this_origin_alone_and_unknown_paths_of_an_api_are_no_pages(
    site: str,
) -> None:
    policy = httpx.get(site).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert httpx.get(f"{site}/v1/nope").json()["error"]["code"] == "not_found"
    assert httpx.get(f"{site}/v1/chat/completions").status_code == 405


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("best for coding, loaded", "el mejor para coding, cargado"),
        (
            "good at coding, as good as Qwen 2.5 14B here, not loaded, unlisted",
            "bueno en coding, tan bueno como Qwen 2.5 14B aquí, sin cargar, fuera de la lista",
        ),
        (
            "stays with this conversation; Llama 3.1 8B is better by less than 0.05",
            "sigue con esta conversación; Llama 3.1 8B es mejor por menos de 0.05",
        ),
        (
            "needs 9,000 tokens of context, it holds 8,192",
            "necesita 9,000 tokens de contexto, admite 8,192",
        ),
        (
            "needs 9.0 GB beside a:7b (4.7 GB, in use), there are 8.0 GB",
            "necesita 9.0 GB junto a a:7b (4.7 GB, en uso), hay 8.0 GB",
        ),
        ("it has no tools and no vision", "no tiene tools ni vision"),
        (
            "last resort: it answers only where nothing else can",
            "último recurso: solo responde donde nada más puede",
        ),
        (
            DEMO_MODEL_WARNING,
            "demostración integrada de 135 M de parámetros, a menudo errónea; mejor: orch setup",
        ),
        ("its 4 slots are in use", "sus 4 plazas están ocupadas"),
        (
            "general, loaded; Qwen 3 8B would be slower and no better",
            "general, cargado; Qwen 3 8B tardaría más y no sería mejor",
        ),
        (
            "general, loaded; Qwen 3 8B is better by less than 0.04, which loading it would take",
            (
                "general, cargado; Qwen 3 8B es mejor por menos de 0.04, lo que haría falta para"
                " cargarlo"
            ),
        ),
        (
            "general, not loaded; no loaded model can take this task",
            "general, sin cargar; ningún modelo cargado puede con esta tarea",
        ),
        ("general, remote, ollama.com", "general, remoto, ollama.com"),
        (
            "remote: its text would go to ollama.com, and models.yaml does not say remote: allow",
            "remoto: su texto iría a ollama.com, y models.yaml no dice remote: allow",
        ),
        (
            (
                "remote: its text would go to another machine, and models.yaml does not say remote:"
                " allow"
            ),
            "remoto: su texto iría a otra máquina, y models.yaml no dice remote: allow",
        ),
        ("a reason that nobody knows", "a reason that nobody knows"),
    ],
)
def test_reasons_are_told_in_spanish(english: str, spanish: str) -> None:
    assert in_spanish(english) == spanish
