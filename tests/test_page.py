"""The frame of the page: its views, languages, themes, policy; in a real browser."""

from __future__ import annotations

import httpx
import pytest

from tests.browsing import PHONE, Visit

VIEWS = ("/", "/models", "/activity", "/memory", "/settings")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_fits_a_phone_in_both_languages_and_themes(site: str, visit: Visit, view: str) -> None:
    for language, dark in (("en", False), ("es", True)):
        page = visit(site + view, PHONE, dark=dark, language=language)
        page.wait_for_selector("main")
        assert page.evaluate("document.documentElement.lang").startswith(language)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_the_policy_allows_this_origin_alone_and_unknown_paths_of_an_api_are_no_pages(site: str) -> None:
    policy = httpx.get(site).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert httpx.get(f"{site}/v1/nope").json()["error"]["code"] == "not_found"
    assert httpx.get(f"{site}/v1/chat/completions").status_code == 405
