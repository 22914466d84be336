import sys

import pytest

from vdfd_seg.engine.input.overrides import parse_steps
from vdfd_seg.errors import InputError
from vdfd_seg.utils.nested import told


@pytest.fixture
def refused(settings):
    def check(message, *args, **kwargs):
        with pytest.raises(InputError, match=message):
            settings(*args, **kwargs)

    return check


class TestSteps:
    @pytest.mark.parametrize(
        ("text", "steps"),
        [
            ("0", [0]), ("4", [4]), ("-1", [4]), ("-2", [3]), ("1:3", [1, 2]), (":2", [0, 1]),
            ("3:", [3, 4]), (":", [0, 1, 2, 3, 4]), ("-2:", [3, 4]), ("0:99", [0, 1, 2, 3, 4]),
            (":-3", [0, 1]), ("3:1", []), ("7:", []), (" 1 ", [1]), ("0: 2", [0, 1]),
            ("3 : ", [3, 4]),
        ],
    )  # fmt: skip
    def test_are_named_as_in_python(self, text, steps):
        assert list(parse_steps(text, 5)) == steps

    @pytest.mark.parametrize(
        ("texts", "message"),
        [
            (("5", "-6", "99"), "--steps '.*': the protocol has steps 0 to 4"),
            (
                ("", "a", "1:b", "1:2:3", "1.5", "1-2", "1,2", "1 2", "- 1"),
                "not a step or a slice A:B",
            ),
        ],
    )
    def test_that_are_refused(self, texts, message):
        for text in texts:
            with pytest.raises(InputError, match=message):
                parse_steps(text, 5)


class TestLoaded:
    def test_the_command_lines_seed_wins(self, settings):
        assert settings("seed = 3").seed == 3
        assert settings("seed = 3", seed=0).config.seed == 0

    def test_options_change_what_their_keys_name(self, settings):
        loaded = settings(options={"optim_wrapper.optimizer.lr": 0.5, "protocol.split": "15-1"})
        assert loaded.config.optim_wrapper.optimizer == {"type": "SGD", "lr": 0.5}
        assert len(loaded.protocol.tasks) == 6

    def test_data_root_reaches_both_data_sets_and_their_preparation(self, settings):
        extra = "data_preparation = dict(type='vdfd_seg.write_digit_scenes', root=data_root)"
        config = settings(extra, {"data_root": "/my/data"}).config
        assert config.train_dataloader.dataset.data_root == "/my/data"
        assert config.test_dataloader.dataset.data_root == "/my/data"
        assert config.data_preparation.root == "/my/data"

    def test_without_the_option_data_roots_stay(self, settings):
        config = settings("test_dataloader['dataset']['data_root'] = 'elsewhere'").config
        assert config.train_dataloader.dataset.data_root == "data/x"
        assert config.test_dataloader.dataset.data_root == "elsewhere"

    @pytest.mark.parametrize("extra", [
        "", "step_overrides = {'1:': dict(train_cfg=dict(max_iters=3)), 2: dict(examples=1)}",
        "note = 'a\\'b\\n\\\\c'\npath = r'C:\\x'\nnothing = None\nlow = 1e-300",
    ])  # fmt: skip
    def test_its_text_is_a_config_of_the_same(self, settings, extra):
        loaded = settings(extra, {"optim_wrapper.optimizer.lr": 0.3}, seed=7, amp=True)
        assert loaded.config.optim_wrapper.type == "vdfd_seg.DeviceAmpOptimWrapper"
        again = settings(text=loaded.text)
        assert again.config.to_dict() == loaded.config.to_dict()
        assert (again.seed, again.text) == (7, loaded.text)

    def test_a_function_in_it_is_no_reason_to_stop(self, settings):
        text = settings("note = dict(f=len)").text
        assert "note = {'f': <built-in function len>}\n" in text
        assert "train_cfg = {'max_iters': 10}\n" in text

    def test_what_a_step_is_trained_with(self, settings):
        extra = (
            "step_overrides = {'1:': dict(optim_wrapper=dict(optimizer=dict(lr=1.0)))}\n"
            "model['backbone'] = dict(type='X', init_cfg=dict(checkpoint='a.pth'), depth=(1, 2))\n"
            "train_dataloader['batch_size'] = 7\nsave_interval = 9\n"
        )
        first, second = (settings(extra).trained_with(step) for step in range(2))
        assert first["model"] == {
            "type": "EncoderDecoder",
            "backbone": {"type": "X", "depth": [1, 2]},
        }
        assert first["method"] == {"type": "FineTune"}
        assert told(first, second) == "optim_wrapper.optimizer.lr was 0.1, now 1.0"


class TestOverrides:
    def lr(self, loaded):
        return [loaded.for_step(s).optim_wrapper.optimizer.lr for s in range(3)]

    def test_hold_for_their_steps_only(self, settings):
        loaded = settings(
            "step_overrides = {'1:': dict(optim_wrapper=dict(optimizer=dict(lr=1.0)))}"
        )
        assert self.lr(loaded) == [0.1, 1.0, 1.0]
        assert loaded.for_step(1).optim_wrapper.optimizer.type == "SGD"
        assert loaded.config.optim_wrapper.optimizer.lr == 0.1

    def test_later_entries_win(self, settings):
        loaded = settings(
            "def f(x): return dict(optim_wrapper=dict(optimizer=dict(lr=x)))\n"
            "step_overrides = {':': f(2.0), 1: f(3.0), '-1': f(4.0)}\ndel f\n"
        )
        assert self.lr(loaded) == [2.0, 3.0, 4.0]

    def test_merge_as_deeply_as_needed(self, settings):
        loaded = settings(
            "step_overrides = {'1:': dict(train_cfg=dict(max_iters=3), "
            "log_processor=dict(by='me'), param_scheduler=[dict(type='PolyLR')])}"
        )
        config = loaded.for_step(2)
        assert config.train_cfg == {"max_iters": 3}
        assert config.log_processor.by == "me"
        assert config.param_scheduler == [{"type": "PolyLR"}]
        assert "log_processor" not in loaded.for_step(0)

    def test_may_replace_a_dict(self, settings):
        loaded = settings(
            "step_overrides = {'1:': dict(train_cfg=dict(_delete_=True, max_epochs=2), "
            "optim_wrapper=dict(optimizer=dict(_delete_=True, type='Adam')))}"
        )
        for step in (1, 2, 1):
            assert loaded.for_step(step).optim_wrapper.optimizer == {"type": "Adam"}
            assert loaded.for_step(step).train_cfg == {"max_epochs": 2}

    def test_keep_keys_with_dots_whole(self, settings):
        loaded = settings(
            "step_overrides = {'1:': dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys="
            "{'decode_head.conv_seg': dict(lr_mult=1.0)})))}"
        )
        found = loaded.for_step(1).optim_wrapper.paramwise_cfg.custom_keys
        assert found == {"decode_head.conv_seg": {"lr_mult": 1.0}}

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            ("{7: dict()}", "step_overrides '7': the protocol has steps 0 to 2"),
            ("{'1:': dict(optim_wraper=dict(lr=1.0))}", "'optim_wraper'. Did you mean 'optim_wr"),
            ("{'1:': dict(train_cfg=dict(max_epochs=2))}", "either max_iters or max_epochs"),
            ("{'1:': dict(train_cfg=3)}", "'train_cfg' must be a dict, not 3"),
            ("{'1:': dict(protocol=dict(split='15-5'))}", "found protocol"),
            ("{'1:': dict(method=dict(type='Joint'))}", "found method"),
            ("{'1:': 3}", "step_overrides '1:' must be a dict"),
            ("[1]", "step_overrides must be a dict"),
        ],
    )
    def test_that_are_refused(self, refused, overrides, message):
        refused(message, f"step_overrides = {overrides}")


class TestCustomImports:
    @pytest.fixture
    def module(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(str(tmp_path))

        def write(text, name="own_module"):
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
            return f"custom_imports = dict(imports=['{name}'])"

        return write

    def test_is_imported(self, settings, module):
        settings(module("x = 3"))
        assert sys.modules.pop("own_module").x == 3

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("1 / 0", ZeroDivisionError),
            ("import not_there", ModuleNotFoundError),
            ("x = (", SyntaxError),
            ("from os import not_there", ImportError),
        ],
    )
    def test_a_defect_in_it_is_raised_as_it_is(self, settings, module, text, error):
        with pytest.raises(error) as raised:
            settings(module(text))
        assert raised.type is error

    @pytest.mark.parametrize("name", ["not_there", "not_there.sub"])
    def test_that_is_not_found(self, refused, name):
        refused(
            f"there is no module '{name}'; install not_there, or name .*PYTHONPATH",
            f"custom_imports = dict(imports='{name}')",
        )

    def test_that_may_fail(self, settings, module, capsys):
        text = module("import not_there").replace("])", "], allow_failed_imports=True)")
        settings(text)
        assert "own_module failed to import and is ignored" in capsys.readouterr().err

    @pytest.mark.parametrize("value", ["['own_module']", "dict(import_=['x'])"])
    def test_that_is_no_such_dict(self, refused, value):
        refused("custom_imports must be a dict of 'imports'", f"custom_imports = {value}")


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "said"),
        [("model = dict(", "SyntaxError"), ("a = 3\nb = 1 / 0", r"ZeroDivisionError at .*py:2: ")],
    )
    def test_file_that_is_no_config(self, refused, text, said):
        refused(f"small.py' cannot be read: {said}", text=text)

    @pytest.mark.parametrize(
        "key", ["model", "protocol", "method", "train_dataloader", "test_dataloader", "train_cfg",
                "optim_wrapper"],
    )  # fmt: skip
    def test_missing_key(self, refused, key):
        refused(f"the key '{key}' is missing", f"\ndel {key}\n")

    @pytest.mark.parametrize(
        ("key", "near"),
        [("step_override", "step_overrides"), ("param_schedulers", "param_scheduler"),
         ("evaluate_On", "evaluate_on"), ("save_intervall", "save_interval")],
    )  # fmt: skip
    def test_misspelt_key(self, refused, key, near):
        refused(f"unknown key '{key}'. Did you mean '{near}'", f"{key} = 1")

    @pytest.mark.parametrize(
        ("cycle", "message"),
        [
            ("dict()", "either max_iters or max_epochs"),
            ("dict(max_iters=1, max_epochs=1)", "either max_iters or max_epochs, not.*_delete_"),
            ("dict(max_iters=1, val_begin=1)", "train_cfg has an unknown key 'val_begin'; delete"),
            ("dict(max_iters=0)", "max_iters.*above 0"),
            ("dict(max_epochs=-1)", "max_epochs.*above 0"),
            ("dict(max_iters='many')", "max_iters.*above 0"),
            ("5", "train_cfg"),
        ],
    )
    def test_train_cfg(self, refused, cycle, message):
        refused(message, f"train_cfg = {cycle}")

    def test_option_into_what_is_no_dict(self, refused):
        refused("cannot be read", options={"train_cfg.max_iters.x": 1})
