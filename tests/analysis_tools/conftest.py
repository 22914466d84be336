import importlib.util

import pytest

from tests.documented import ROOT


@pytest.fixture(scope="module")
def tool(request):
    """The tool that a test module is named for, imported from its file."""
    name = request.path.stem.removeprefix("test_")
    path = ROOT / "tools" / "analysis_tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        # They import their neighbours.
        patch.syspath_prepend(str(path.parent))
        spec.loader.exec_module(module)
        yield module
