"""Templates of the user's: in a sandbox, within limits, and each fault told with its file and line."""

import resource
import signal
import time
from pathlib import Path

import pytest

from reportgen.errors import InputError
from reportgen.record.run import Record
from reportgen.render import templating
from reportgen.render.page import page
from reportgen.render.page.page import View
from tests.helpers.builders import assert_one_line, make_record

FAULTS = {
    "undefined": "<h1>x</h1>\n{{ r.no_such_thing }}",
    "syntax": "<h1>x</h1>\n{% if %}",
    "no end": "<h1>x</h1>\n{% if true %}",
    "unknown tag": "<h1>x</h1>\n{% python %}",
    "unknown filter": "<h1>x</h1>\n{{ 1|nonsense }}",
    "division by zero": "<h1>x</h1>\n{{ 1 / 0 }}",
    "wrong type": "<h1>x</h1>\n{{ 1 + r.title }}",
    "no such template": "<h1>x</h1>\n{% include 'gone.html' %}",
    "outside the folder": "<h1>x</h1>\n{% include '../../../../etc/passwd' %}",
    "itself": "<h1>x</h1>\n{% include 'cover.html' %}",
    "a range without end": "<h1>x</h1>\n{% for n in range(10 ** 9) %}{% endfor %}",
    "classes": "<h1>x</h1>\n{{ r.__class__.__mro__[1].__subclasses__() }}",
    "globals": "<h1>x</h1>\n{{ text.__globals__ }}",
    "globals of a function": "<h1>x</h1>\n{{ drawn.__func__.__globals__ }}",
    "format": "<h1>x</h1>\n{{ '{0.__class__.__mro__}'.format(r) }}",
    "change": "<h1>x</h1>\n{{ r.findings.append(1) }}",
}


@pytest.fixture(scope="module")
def record() -> Record:
    return make_record()


@pytest.fixture(scope="module")
def view(record: Record) -> View:
    return page.paint(record)


def written(view: View, folder: Path) -> str:
    return page.html(view, view.record.look, templates=folder).html


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_file_and_line(view: View, tmp_path: Path, name: str) -> None:
    (tmp_path / "cover.html").write_text(FAULTS[name])
    with pytest.raises(InputError) as caught:
        written(view, tmp_path)
    assert_one_line(caught.value, tmp_path / "cover.html", "line 2", "mend the template")


def test_a_fault_in_a_macro_of_the_users_that_ours_use_is_told(view: View, tmp_path: Path) -> None:
    ours = (templating.locate_templates() / "macros.html").read_text(encoding="utf-8")
    lines = ours.splitlines()
    number = next(n for n, line in enumerate(lines) if line.startswith("<figcaption>{{ caller() }}"))
    lines[number] += "{{ 1 / 0 }}"
    (tmp_path / "macros.html").write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        written(view, tmp_path)
    assert_one_line(caught.value, tmp_path / "macros.html", f"line {number + 1},", "ZeroDivisionError")


def test_a_template_that_lacks_what_ours_use_is_told(view: View, tmp_path: Path) -> None:
    (tmp_path / "macros.html").write_text("nothing here")
    with pytest.raises(InputError) as caught:
        written(view, tmp_path)
    assert_one_line(caught.value, tmp_path, "table")


@pytest.mark.parametrize("name", ["cover.html", "style.css", "body.html"])
def test_a_file_that_is_no_text_is_named(view: View, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"<h1>\xff\xfe</h1>")
    with pytest.raises(InputError) as caught:
        written(view, tmp_path)
    assert_one_line(caught.value, tmp_path / name, "UTF-8")


@pytest.mark.parametrize("where", ["/etc/passwd", "../secret.html"])
def test_a_link_that_leads_elsewhere_is_not_followed(view: View, tmp_path: Path, where: str) -> None:
    templates = tmp_path / "templates"
    templates.mkdir()
    (tmp_path / "secret.html").write_text("secret")
    (templates / "cover.html").symlink_to(where)
    with pytest.raises(InputError) as caught:
        written(view, templates)
    assert_one_line(caught.value, templates / "cover.html", "link")


def test_a_folder_may_be_a_link_and_have_links_within(view: View, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "house.html").write_text("<h1>House style</h1>")
    (tmp_path / "templates" / "cover.html").symlink_to("house.html")
    (tmp_path / "link").symlink_to("templates")
    assert "House style" in written(view, tmp_path / "link")


# Limits


def test_a_template_that_runs_without_end_is_ended(view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templating, "LONGEST", 0.3)
    twice = "{% for n in range(99999) %}{% for m in range(99999) %}{% endfor %}{% endfor %}"
    (tmp_path / "cover.html").write_text(twice)
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        written(view, tmp_path)
    assert_one_line(caught.value, tmp_path, "more than 0.3 seconds")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("template", ["{{ 'x' * 10 ** 10 }}", "{{ '%9999999999d' % 1 }}", "{{ 'x'.center(10 ** 10) }}"])
def test_a_template_that_takes_all_memory_is_ended(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str
) -> None:
    monkeypatch.setattr(templating, "MOST_MEMORY", 200_000_000)
    (tmp_path / "cover.html").write_text(template)
    with pytest.raises(InputError) as caught:
        written(view, tmp_path)
    assert_one_line(caught.value, tmp_path / "cover.html", "MemoryError")


def test_the_limits_end_with_the_page(view: View, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)
    for template in ("<h1>x</h1>", "{{ 1 / 0 }}"):
        (tmp_path / "cover.html").write_text(template)
        try:
            written(view, tmp_path)
        except InputError as error:
            assert "ZeroDivisionError" in str(error)
        assert (resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)) == before
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
