import sys

import pytest

from vdfd_seg.engine.input.overrides import parse_steps
from vdfd_seg.errors import InputError
from vdfd_seg.utils.nested import difference_text


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
    def test_data_root_reaches_both_data_sets_and_their_preparation(self, settings):
        extra = (
            "data_preparation = dict(type='vdfd_seg.write_digit_scenes', root=data_root)\n"
            "test_dataloader['dataset']['data_root'] = 'elsewhere'"
        )
        config = settings(extra).config
        assert config.train_dataloader.dataset.data_root == "data/x"
        assert config.test_dataloader.dataset.data_root == "elsewhere"
        config = settings(extra, {"data_root": "/my/data"}).config
        assert config.train_dataloader.dataset.data_root == "/my/data"
        assert config.test_dataloader.dataset.data_root == "/my/data"
        assert config.data_preparation.root == "/my/data"

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
        backbone = {"type": "X", "depth": [1, 2]}
        assert first["model"] == {"type": "EncoderDecoder", "backbone": backbone}
        assert first["method"] == {"type": "FineTune"}
        assert difference_text(first, second) == "optim_wrapper.optimizer.lr was 0.1, now 1.0"


def rate(value):
    return {"optim_wrapper": {"optimizer": {"lr": value}}}


KEYS = {"decode_head.conv_seg": {"lr_mult": 1.0}}
OVERRIDES = {
    "hold for their steps only": (
        {"1:": rate(1.0)}, "optim_wrapper.optimizer",
        [{"type": "SGD", "lr": 0.1}, *[{"type": "SGD", "lr": 1.0}] * 2]),
    "later entries win": (
        {":": rate(2.0), 1: rate(3.0), "-1": rate(4.0)}, "optim_wrapper.optimizer.lr",
        [2.0, 3.0, 4.0]),
    "a new dict": ({"1:": {"log_processor": {"by": "me"}}}, "log_processor.by", [None, "me", "me"]),
    "a dict replaced": (
        {"1:": {"train_cfg": {"_delete_": True, "max_epochs": 2}}}, "train_cfg",
        [{"max_iters": 10}, *[{"max_epochs": 2}] * 2]),
    "keys with dots stay whole": (
        {"1:": {"optim_wrapper": {"paramwise_cfg": {"custom_keys": KEYS}}}},
        "optim_wrapper.paramwise_cfg.custom_keys",
        [{"decode_head.conv_seg": {"lr_mult": 10.0}}, KEYS, KEYS]),
}  # fmt: skip
"""What is changed, and what three steps then have at a key."""


@pytest.mark.parametrize("case", OVERRIDES)
def test_step_overrides(settings, case):
    overrides, key, values = OVERRIDES[case]
    loaded = settings(f"step_overrides = {overrides!r}")
    # The last step once more: none changes another.
    for step, expected in ((2, values[2]), *enumerate(values)):
        found = loaded.for_step(step)
        for part in key.split("."):
            found = found.get(part, {})
        assert (found or None) == expected


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

    def test_that_may_fail(self, settings, module, capsys):
        text = module("import not_there").replace("])", "], allow_failed_imports=True)")
        settings(text)
        assert "own_module failed to import and is ignored" in capsys.readouterr().err


IMPORTED = "custom_imports must be a dict of 'imports'"
REQUIRED = ("model", "protocol", "method", "train_dataloader", "test_dataloader", "train_cfg",
            "optim_wrapper")  # fmt: skip
REFUSED = [
    *[(f"del {key}", f"the key '{key}' is missing") for key in REQUIRED],
    ("step_override = 1", "unknown key 'step_override'. Did you mean 'step_overrides'"),
    ("evaluate_On = 1", "unknown key 'evaluate_On'. Did you mean 'evaluate_on'"),
    ("train_cfg = dict()", "either max_iters or max_epochs"),
    ("train_cfg = dict(max_iters=1, max_epochs=1)", "max_iters or max_epochs, not.*_delete_"),
    ("train_cfg = dict(max_iters=1, val_begin=1)", "train_cfg has an unknown key 'val_begin'"),
    ("train_cfg = dict(max_iters=0)", "max_iters.*above 0"),
    ("train_cfg = dict(max_epochs=-1)", "max_epochs.*above 0"),
    ("train_cfg = dict(max_iters='many')", "max_iters.*above 0"),
    ("train_cfg = 5", "train_cfg"),
    ("step_overrides = [1]", "step_overrides must be a dict"),
    ("step_overrides = {7: dict()}", "step_overrides '7': the protocol has steps 0 to 2"),
    ("step_overrides = {'1:': 3}", "step_overrides '1:' must be a dict"),
    ("step_overrides = {'1:': dict(optim_wraper=dict(lr=1.0))}", "'optim_wraper'. Did you mean"),
    ("step_overrides = {'1:': dict(train_cfg=dict(max_epochs=2))}", "max_iters or max_epochs"),
    ("step_overrides = {'1:': dict(train_cfg=3)}", "'train_cfg' must be a dict, not 3"),
    ("step_overrides = {'1:': dict(protocol=dict(split='15-5'))}", "found protocol"),
    ("step_overrides = {'1:': dict(method=dict(type='Joint'))}", "found method"),
    ("custom_imports = ['x']", IMPORTED),
    ("custom_imports = dict(import_=['x'])", IMPORTED),
    *[(f"custom_imports = dict(imports='{name}')",
       f"there is no module '{name}'; install not_there, or name .*PYTHONPATH")
      for name in ("not_there", "not_there.sub")],
]  # fmt: skip


@pytest.mark.parametrize(("extra", "message"), REFUSED)
def test_what_is_refused(settings, extra, message):
    with pytest.raises(InputError, match=message):
        settings(f"\n{extra}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "model = dict("}, "small.py' cannot be read: SyntaxError"),
        ({"text": "a = 3\nb = 1 / 0"}, r"small.py' cannot be read: ZeroDivisionError at .*py:2: "),
        ({"options": {"train_cfg.max_iters.x": 1}}, "cannot be read"),
    ],
)
def test_what_is_no_config_is_refused(settings, arguments, message):
    with pytest.raises(InputError, match=message):
        settings(**arguments)
