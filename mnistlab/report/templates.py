"""Jinja2 templates of the package: every value is escaped for HTML."""

from importlib import resources

from jinja2 import Environment, StrictUndefined


def render(package: str, name: str, **values: object) -> str:
    """Fill in a template that lies in a package.

    Parameters
    ----------
    package : str
        The package, for instance ``"mnistlab.report"``.
    name : str
        The file's name. ``markupsafe.Markup`` values and ``|safe`` are not escaped.
    **values
        What the template names. A name without a value raises ``jinja2.UndefinedError``.

    Returns
    -------
    str
        HTML.
    """
    source = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    html = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    return html.from_string(source).render(values)
