"""Writing the data set of a config that brings its own."""

import inspect

from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.registry import FUNCTIONS


def prepare_data(cfg: dict | None) -> None:
    """Run a config's ``data_preparation``: a registered function that writes the data set."""
    if not cfg:
        return
    arguments = dict(cfg)
    kind = arguments.pop("type", None)
    function = FUNCTIONS.get(str(kind))
    if function is None:
        raise unknown_name("data preparation", kind, FUNCTIONS.module_dict)
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise InputError(f"data_preparation {kind}: {error}") from error
    function(**arguments)
