"""Initial weights by name: fetched from a server of the test's own, cached, checked."""

import functools
import hashlib
import http.server
import json

import pytest
import torch

from tests.fixtures.server import serving
from tests.tiny import changed
from vdfd_seg.cli import run_command
from vdfd_seg.engine.networks import build_network
from vdfd_seg.errors import InputError
from vdfd_seg.models.pretrained import load_from_file
from vdfd_seg.models.weight_files import cached_path, drop_absent, weights_file, weights_url


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        self.server.asked.append(self.path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves ``server.folder``; torch's and MMEngine's caches are empty folders."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("MMENGINE_HOME", str(tmp_path / "mmengine"))
    (tmp_path / "mmengine").mkdir()
    (folder := tmp_path / "served").mkdir()
    handler = functools.partial(Handler, directory=folder)
    with serving(handler) as running:
        running.folder = folder
        yield running


@pytest.fixture
def publish(server, tmp_path):
    """Serve weights as a model zoo does, with their digest in the name, and name them."""

    def put(content, name="net", digest=None):
        torch.save(content, path := server.folder / "whole.pth")
        digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        file = path.rename(server.folder / f"{name}-{digest}.pth").name
        table = {"resnet18_v1c": f"{server.url}/{file}"}
        (tmp_path / "mmengine/open_mmlab.json").write_text(json.dumps(table))
        return f"{server.url}/{file}"

    return put


def test_names_of_mmengine_s_tables():
    models = "https://download.pytorch.org/models"
    assert weights_url("torchvision://resnet50") == f"{models}/resnet50-0676ba61.pth"
    urls = [weights_url(f"{scheme}://resnet101_v1c") for scheme in ("open-mmlab", "openmmlab")]
    assert urls[0] == urls[1] and urls[0].endswith("/resnet101_v1c-e67eebb6.pth")
    renamed = weights_url("open-mmlab://resnet50_caffe")
    assert renamed == weights_url("open-mmlab://detectron/resnet50_caffe")
    assert weights_url("mmcls://mobilenet_v2").endswith("_20200708-3b2dc3af.pth")
    assert weights_url("https://a/b.pth") == "https://a/b.pth"
    assert weights_url("folder/b.pth") is None


@pytest.mark.parametrize(
    "name, message",
    [
        ("open-mmlab://resnet18_v1d", "'resnet18_v1d'. Did you mean 'resnet18_v1c'"),
        ("torchvision://shufflenetv2_x1.5", "unknown initial weights"),
        ("s3://a/x.pth", "may start with torchvision.*give its path"),
    ],
)
def test_names_that_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        weights_file(name)


@pytest.mark.parametrize("way", ["init_cfg", "pretrained", "address"])
def test_a_network_begins_from_a_name(server, publish, network_cfg, way):
    """And from the cache the second time."""
    torch.manual_seed(1)
    source = build_network(network_cfg(), 3)[0].backbone
    name = "open-mmlab://resnet18_v1c"
    address = publish({"state_dict": source.state_dict()})
    init = {"type": "Pretrained", "checkpoint": address if way == "address" else name}
    changes = {"pretrained": name} if way == "pretrained" else {"backbone.init_cfg": init}
    for _ in range(2):
        built = build_network(changed(network_cfg(), changes), 3, pretrained=True)[0].backbone
        for key, value in source.state_dict().items():
            assert torch.equal(built.state_dict()[key], value)
    assert len(server.asked) == 1


def test_a_classifier_s_backbone(publish, monkeypatch):
    address = publish({"state_dict": {"backbone.a": torch.ones(1), "head.fc": torch.ones(2)}})
    monkeypatch.setattr("vdfd_seg.models.weight_files.weights_url", lambda name: address)
    assert load_from_file("mmcls://net") == {"a": torch.ones(1)}


def test_the_digest_of_what_comes_and_of_what_is_there(publish):
    address = publish({}, digest="0123abcd")
    with pytest.raises(InputError, match="SHA256 .* not 0123abcd; it was removed"):
        weights_file(address)
    assert not cached_path(address).exists()
    path = weights_file(publish({}))
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="by the file's name it starts with .*; delete"):
        weights_file(str(path))


@pytest.mark.parametrize("name", ["mine-20240101.pth", "mine-abc.pth", "0123abcd.pth"])
def test_names_without_a_digest(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    assert weights_file(str(tmp_path / name)) == tmp_path / name


class TestWithoutANetwork:
    @pytest.fixture
    def absent(self, server, config_file):
        """A config whose weights no server has, and their address."""
        address = f"{server.url}/absent-01234567.pth"
        init = {"type": "Pretrained", "checkpoint": address}
        changes = {"model.backbone.init_cfg": init, "method": {"type": "FineTune"}}
        return config_file(changes), address

    def test_training_says_what_to_fetch_and_where_to(self, refused, absent, tmp_path):
        file, address = absent
        message = refused("train", file, "--work-dir", tmp_path / "work")
        assert f"{address}: cannot be fetched to '{cached_path(address)}'" in message
        assert "model.backbone.init_cfg=None" in message

    def test_a_dry_run_names_them(self, server, absent, capfd):
        file, address = absent
        assert run_command("train", [str(file), "--dry-run"]) == 0
        line = f"will fetch: {address} ({address}, kept as {cached_path(address)})"
        assert line in capfd.readouterr().out
        assert server.asked == []

    def test_a_given_start_needs_none(self, server, absent, train, finetune_run):
        start = finetune_run.path / "step_00/checkpoint.pth"
        train("--init-from", start, "--steps", "0", file=absent[0])
        assert server.asked == []


def test_dropping_what_is_absent(server, tmp_path):
    (tmp_path / "here.pth").touch()
    here = {"type": "Pretrained", "checkpoint": str(tmp_path / "here.pth")}
    gone = {"type": "Pretrained", "checkpoint": "mmcls://vgg11"}
    model = {"pretrained": "torchvision://vgg11", "init_cfg": here, "neck": [{"init_cfg": gone}]}
    overrides = {"1:": {"init_cfg": [here, gone, {"type": "Normal"}]}}
    config = {"model": model, "step_overrides": overrides, "note": ["https://a/b"]}
    names = ["torchvision://vgg11", "mmcls://vgg11", "mmcls://vgg11"]
    assert [line.split()[0] for line in drop_absent(config)] == names
    assert model == {"pretrained": None, "init_cfg": here, "neck": [{"init_cfg": None}]}
    assert overrides == {"1:": {"init_cfg": [here, {"type": "Normal"}]}}
    assert config["note"] == ["https://a/b"]
