"""Protocols without a background, for what is defined by one."""

import pytest

from tests.engine.conftest import CONFIG
from vdfd_seg.errors import InputError

UNBIASED = (
    "model['decode_head'] = dict(loss_decode=[dict(type='vdfd_seg.UnbiasedCrossEntropyLoss')])"
)


def _own(**rules):
    return CONFIG.replace(
        "type='VOC', split='10-5'",
        f"type='Custom', classes=['a', 'b', 'c'], "
        f"tasks=[dict(classes=['a', 'b'], domains=['x']), dict(domains=['y'])], **{rules}"
        if rules.get("scenario") == "domain"
        else f"type='Custom', classes=['a', 'b', 'c'], tasks=[['a', 'b'], ['c']], **{rules}",
    )


def test_rows_begin_as_its_own_only_where_there_is_one_or_nothing_grows(settings):
    classes = CONFIG.replace("type='VOC', split='10-5'", "type='CIFAR100'")
    for text, said in ((classes, "for segmentation"), (_own(), "which protocol .* not have")):
        settings("method['new_rows'] = 'random'", text=text)
        for start in ("balanced", "background"):
            with pytest.raises(InputError, match=said):
                settings(f"method['new_rows'] = '{start}'", text=text)
    for text in (CONFIG, _own(background="a"), _own(scenario="domain")):
        settings("method['new_rows'] = 'balanced'", text=text)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("", None),
        ("method = dict(type='EWC')", None),
        ("method = dict(type='MiB')", "method MiB is the plain distillation"),
        ("method = dict(type='RCIL')", "method RCIL is with the plain distillation"),
        ("method = dict(type='PLOP')", "method PLOP is without pseudo-labels"),
        (UNBIASED, "a loss that expects old classes in the background becomes the plain one"),
    ],
)
def test_what_is_defined_by_it_says_what_it_is_without(settings, monkeypatch, extra, said):
    lines = []
    monkeypatch.setattr("vdfd_seg.engine.input.validation.warn", lines.append)
    for text in (CONFIG, _own(background="a"), _own(scenario="domain")):
        settings(extra, text=text)
    assert lines == []
    settings(extra, text=_own())
    assert len(lines) == bool(said)
    assert not said or (said in lines[0] and "'custom' has no background" in lines[0])
