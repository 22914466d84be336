"""Reading a config: its file, the method's, what the command line changes, modules it imports."""

import importlib
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from vdfd_seg.engine.input.failures import failing
from vdfd_seg.errors import InputError, warn
from vdfd_seg.utils.nested import as_list


def read_config(path: Path, options: Mapping | None = None, fragment: Path | None = None) -> Config:
    """A config as the command line has it; the modules of its ``custom_imports`` are imported.

    Args:
        path: The config file.
        options: ``--cfg-options``: dotted keys and values. ``data_root`` reaches the data sets and
            their preparation.
        fragment: A file with the method, for a config without one; no key may be in both.
    """
    config = _from_file(path)
    if fragment is not None:
        own = _from_file(fragment)
        twice = [key for key in own if key in config]
        if twice:
            raise InputError(
                f"config '{path}' has a key '{twice[0]}' of its own, which '{fragment}' sets too: "
                f"leave out --method, or take the key out of one of them."
            )
        config.merge_from_dict(own.to_dict())
    options = dict(options or {})
    with failing(f"config '{path}' cannot be read", "--cfg-options"):
        config.merge_from_dict(options)
        if "data_root" in options:
            _move_data(config, options["data_root"])
    _import_modules(path, config)
    return config


def _from_file(path):
    with failing(f"config '{path}' cannot be read"):
        return Config.fromfile(path, import_custom_modules=False)


def _move_data(config, root):
    for part in ("train_dataloader", "test_dataloader"):
        if part in config and "data_root" in config[part].get("dataset", {}):
            config[part]["dataset"]["data_root"] = root
    if config.get("data_preparation"):
        config["data_preparation"]["root"] = root


def imported_modules(config: Config) -> list[str]:
    """Names of the modules that ``custom_imports`` registers parts of a network from."""
    return as_list((config.get("custom_imports") or {}).get("imports"))


def _import_modules(path, config):
    """Import the modules of ``custom_imports``; their own errors pass through."""
    custom = config.get("custom_imports") or {}
    if not isinstance(custom, Mapping) or set(custom) - {"imports", "allow_failed_imports"}:
        raise InputError(
            f"config '{path}': custom_imports must be a dict of 'imports' and "
            f"'allow_failed_imports', not {custom!r}."
        )
    for name in imported_modules(config):
        try:
            import_module(name, f"config '{path}': custom_imports")
        except (ImportError, InputError) as error:
            if not custom.get("allow_failed_imports"):
                raise
            warn(f"{name} failed to import and is ignored: {error}")


def import_module(name: str, where: str) -> None:
    """Import a module that a config or a checkpoint, told by ``where``, names.

    One that does not exist is refused. Errors of the module itself pass through.
    """
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise
        raise InputError(
            f"{where}: there is no module '{name}'; install {error.name}, or name its folder in "
            f"PYTHONPATH (PYTHONPATH=. for the current one)."
        ) from error
