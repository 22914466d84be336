import pytest


@pytest.fixture(scope="session")
def checkpoint(vdfd_run):
    """The last step of a finished run; not to be written to."""
    return vdfd_run.path / "step_02" / "checkpoint.pth"
