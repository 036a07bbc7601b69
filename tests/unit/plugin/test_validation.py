"""What a notebook shows of a verdict."""

from pathlib import Path

from mnistlab.plugin.validation import ValidationResult
from mnistlab.requirement import Requirement

ATTACK = "<script>alert(1)</script>"


def test_a_notebook_shows_the_top_of_the_page_with_all_text_escaped():
    verdict = Requirement(f"accuracy {ATTACK}", "result", 0.9, "at least").judge(0.8)
    summary = {
        "verdict": "FAILED",
        "subject": {"name": ATTACK, "seed": 0, "parameters": None},
        "dataset": {"name": "digits", "source": ATTACK, "sha256": "0" * 64},
        "requirements": [vars(verdict)],
        "gate": {},
        "seconds": {"total": 1.0},
    }
    html = ValidationResult("FAILED", (verdict,), summary, Path("index.html"))._repr_html_()
    assert '<div class="verdict failed"><strong>FAILED</strong>' in html
    assert "measured 0.8, required at least 0.9" in html
    assert html.count("&lt;script&gt;") >= 3
    assert "<script" not in html
    styles, _, rest = html.partition("</style>")
    assert ".mnistlab .verdict.failed {" in styles
    assert "body" not in styles, "the notebook's own layout must stay as it is"
    assert rest.count("<section") == rest.count("</section>") == 1
