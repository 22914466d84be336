"""Each module of ``custom_imports``: imported, or refused with its cause."""

import sys

import pytest

from vdfd_seg.errors import InputError


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(text, name="own_module"):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return f"custom_imports = dict(imports=['{name}'])"

    return write


def test_is_imported(settings, module):
    settings(module("x = 3"))
    assert sys.modules.pop("own_module").x == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f():\n    return 1 / 0\nf()", ("ZeroDivisionError: division", "line 2, in f")),
        ("import not_there", ("raises ModuleNotFoundError: No module named 'not_there'",)),
        ("x = (", ("raises SyntaxError", "line 1")),
        ("from os import not_there", ("raises ImportError: cannot import name 'not_there'",)),
    ],
)
def test_a_defect_keeps_its_own_traceback(settings, module, text, words):
    with pytest.raises(InputError) as caught:
        settings(module(text))
    message = str(caught.value)
    assert "custom_imports: module 'own_module' raises" in message
    assert 'own_module.py", line' in message
    assert "importlib" not in message and "vdfd_seg/engine" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["not_there", "not_there.sub"])
def test_that_is_not_found(refused_settings, name):
    refused_settings(
        f"there is no module '{name}'.*PYTHONPATH", f"custom_imports = dict(imports='{name}')"
    )


def test_that_may_fail(settings, module):
    text = module("import not_there").replace("])", "], allow_failed_imports=True)")
    with pytest.warns(UserWarning, match="own_module failed to import and is ignored"):
        settings(text)


@pytest.mark.parametrize("value", ["['own_module']", "dict(import_=['x'])"])
def test_that_is_no_such_dict(refused_settings, value):
    refused_settings("custom_imports must be a dict of 'imports'", f"custom_imports = {value}")
