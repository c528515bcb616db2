"""Every page of this folder happens as it says."""

import pytest

from tests.scenarios.scenario import Story, pages

PAGES = list(pages())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_scenario_happens_as_its_page_says(page):
    Story(page).play(page.text["steps"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_a_title_and_a_source_and_expects_something(page):
    assert page.title
    assert page.source
    assert any("expect" in step for step in page.text["steps"])


def test_no_two_pages_have_one_title():
    titles = [page.title for page in PAGES]
    assert sorted(set(titles)) == sorted(titles)
