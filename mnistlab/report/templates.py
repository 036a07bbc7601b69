"""Jinja2 templates of the package: every value is escaped for HTML."""

from importlib import resources

from jinja2 import Environment, StrictUndefined


def render(package: str, name: str, **values: object) -> str:
    """Return the HTML of a template, a file in a package such as ``"mnistlab.report"``.

    A name in the template that has no value raises ``jinja2.UndefinedError``.
    """
    source = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    html = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    return html.from_string(source).render(values)
