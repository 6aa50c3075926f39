"""The frame of the page: its views, languages, themes and policy, in a real browser."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import LLAMA
from tests.support.browser import FITS, PHONE, Visit
from tests.support.catalogues import forms, ids, messages, translated
from tests.support.fake_ollama import FakeOllama, Fault

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


def test_the_policy_allows_only_this_origin_and_unknown_api_paths_are_not_pages(
    site: str,
) -> None:
    page = httpx.get(site, headers={"accept": "text/html"})
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert httpx.get(site).text == "Ollama is running"
    assert httpx.get(f"{site}/v1/nope").json()["error"]["code"] == "not_found"
    assert httpx.get(f"{site}/v1/chat/completions").status_code == 405


TEXTS = """() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        if (!parent.closest('script, style, [lang=en], .q-icon'))
            texts.push(walker.currentNode.textContent.trim());
    }
    for (const name of ['aria-label', 'placeholder', 'title'])
        for (const element of document.querySelectorAll(`[${name}]`))
            texts.push(element.getAttribute(name));
    return texts;
}"""
"""The texts of a page, without the library's messages that are marked as English."""
ENGLISH = re.compile(
    r"\b(the|is|are|of|and|with|for|not|by|loaded|rated|choice|best|needs)\b", re.IGNORECASE
)


def english_texts(page: Page) -> list[str]:
    """The texts of a Spanish page that are English: untranslated ones, and ones with a word that
    Spanish does not have. Paths are left out."""
    untranslated = {
        text
        for message in messages(translated("es"))
        for text, translation in zip(ids(message), forms(message), strict=False)
        if text != translation
    }
    return [
        text
        for text in page.evaluate(TEXTS)
        if text in untranslated or (ENGLISH.search(text) and not text.startswith("/"))
    ]


def test_no_english_is_left_on_the_spanish_page(
    ollama: FakeOllama, site: str, visit: Visit
) -> None:
    ollama.models[LLAMA].faults = [Fault("status", message="out of memory")] * 3
    for question in ("Hola, ¿qué es un mutex?", "Escribe una función de Python que sume"):
        httpx.post(f"{site}/orch/run", json={"text": question}, timeout=30).raise_for_status()
    run_id = httpx.get(f"{site}/orch/runs/last").json()["run"]["run_id"]
    for path in (*VIEWS, f"/activity?run={run_id}", f"/memory?id={run_id}", "/activity?run=nope"):
        page = visit(site + path, language="es")
        expect(page.locator(".orch-loading:visible")).to_have_count(0)
        assert english_texts(page) == [], path


def test_the_page_of_an_unknown_path_is_in_the_readers_language(site: str) -> None:
    headers = {"accept": "text/html", "accept-language": "es"}
    response = httpx.get(f"{site}/nope", headers=headers)
    assert response.status_code == 404
    assert "Página no encontrada" in response.text
    assert "Page not found" in httpx.get(f"{site}/nope", headers={"accept": "text/html"}).text
