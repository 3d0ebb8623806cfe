"""A page in a real Chromium. Playwright is imported by those who use it: fast tests have to do without."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def opened(
    browser: "Browser", address: str, width: int = 1440, scheme: Any = "light", scripts: bool = True
) -> Iterator["tuple[Page, list[str]]"]:
    """Yield a page and everything that it complained about or asked for, data: URIs excepted."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
    )
    page, heard = context.new_page(), list[str]()
    page.on("console", lambda message: heard.append(message.text))
    page.on("request", lambda asked: heard.append(asked.url) if not asked.url.startswith("data:") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.goto(address)
    yield page, heard
    context.close()
