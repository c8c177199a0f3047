"""Networks with decoders: what runs, in which mode, for which tasks, and what is refused."""

from __future__ import annotations

import copy
import pickle
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from afanet import Dense, InputError, Pooled, create_network
from afanet.networks.decoders.decoder import Decoder
from afanet.networks.freezing import Freezing
from afanet.networks.methods import METHODS
from afanet.networks.parts import find_part
from afanet.networks.woven import Woven
from afanet.training.balancing.shared import shared_parameters
from afanet.training.optimisation import part_of

from ...relatives import relatives

OUTPUTS = {"depth": Dense(1), "values": Dense(3), "items": Dense(4)}  # names that containers of modules cannot have
SIZE = (32, 48)
DECODERS = [name for name in METHODS.own if METHODS[name].decoder]
EXPERTS = [name for name in DECODERS if not METHODS[name].share]
EARLY = {"mmoe": 0, "cgc": 0, "pad_net": 1, "mti_net": 4, "cross_attention": 1}


def make(method: str, outputs: Any = None, backbone: str = "test_resnet", **options: Any) -> Woven:
    torch.manual_seed(0)
    return create_network(method, outputs or OUTPUTS, backbone, size=SIZE, **options)


@cache
def _network(method: str) -> Woven:
    return make(method)


@pytest.fixture(params=DECODERS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def network(method: str) -> Woven:
    """Three dense tasks; the name of a task may be that of anything in a container."""
    return copy.deepcopy(_network(method)).eval()


@pytest.fixture
def image() -> Tensor:
    return torch.rand(2, 3, 43, 48)


def test_every_task_has_its_output_and_in_training_its_initial_predictions(
    method: str, network: Woven, image: Tensor
) -> None:
    shapes = {task: (2, output.channels, 43, 48) for task, output in OUTPUTS.items()}
    assert {task: tuple(y.shape) for task, y in network(image).items()} == shapes
    trained = {name: tuple(y.shape) for name, y in network.train()(image).items()}
    early = {f"{task}.{number}": shapes[task] for task in OUTPUTS for number in range(EARLY[method])}
    assert trained == shapes | early


def test_some_tasks_get_the_same_bit_for_bit_without_what_others_alone_need(network: Woven, image: Tensor) -> None:
    with torch.no_grad():
        whole = network(image)
        for task in OUTPUTS:
            assert torch.equal(network(image, tasks=[task])[task], whole[task])
    for other in ("values", "items"):
        code = network.code_for(["depth"])
        assert f"branches.{other}.head" not in code
        assert f"fusion.{other}.takes" not in code
        assert f"fusion.{other}.gate" not in code
    assert network.train()(image, tasks=["depth"]).keys() == {
        name for name in network(image) if name.startswith("depth")
    }


def test_every_parameter_learns_and_belongs_to_a_part(network: Woven, image: Tensor) -> None:
    torch.stack([y.square().mean() for y in network.train()(image).values()]).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
    assert {part_of(name) for name, _ in network.named_parameters()} == {"backbone", "head", "fusion"}


def test_gradient_balancing_reaches_every_parameter(network: Woven) -> None:
    shared, own = shared_parameters(network, list(OUTPUTS), SIZE)
    reached = {id(p) for p in [*shared, *(p for parameters in own.values() for p in parameters)]}
    assert reached == {id(p) for p in network.parameters()}
    initial = [p for name, p in network.named_parameters() if name.startswith("fusion.depth.initial")]
    assert {id(p) for p in initial} <= {id(p) for p in own["depth"]}


def test_copies_compute_the_same(method: str, network: Woven, image: Tensor) -> None:
    restored = make(method).eval()
    restored.load_state_dict(network.state_dict())
    with torch.no_grad():
        expected = network(image)
        for copied in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), restored):
            for task, output in copied(image).items():
                assert torch.equal(output, expected[task])


def test_an_image_is_on_its_own_and_precision_is_kept(network: Woven, image: Tensor) -> None:
    with torch.no_grad():
        whole, alone = network(image), network(image[:1])
        double = copy.deepcopy(network).double()(image.double())
        with torch.autocast("cpu", torch.bfloat16):
            half = network(image)
    for task in OUTPUTS:
        torch.testing.assert_close(alone[task], whole[task][:1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(double[task].float(), whole[task], rtol=1e-3, atol=1e-4)
        assert half[task].dtype == torch.float32


@pytest.mark.parametrize("backbone", relatives(["test_vit", "test_convnext"], ["test_vit"]))
def test_it_works_on_other_backbones(method: str, backbone: str, image: Tensor) -> None:
    with torch.no_grad():
        outputs = make(method, backbone=backbone).eval()(image)
    assert [tuple(y.shape) for y in outputs.values()] == [(2, n, 43, 48) for n in (1, 3, 4)]


def test_one_task_alone_works(method: str, image: Tensor) -> None:
    assert make(method, {"depth": Dense(1)}).eval()(image)["depth"].shape == (2, 1, 43, 48)


def test_a_head_by_name_takes_what_the_decoder_gives_and_unused_scales_have_no_layers(
    method: str, network: Woven, image: Tensor
) -> None:
    linear, few = make(method, head="linear"), make(method, head="deeplabv3plus").train()
    assert type(linear.branches.depth.head).__name__ == "DenseLinear"
    usual = type(network.branches.depth.head).__name__
    assert usual == ("MLP" if METHODS[method].dense else "DeepLabV3Plus")
    torch.stack([y.square().mean() for y in few(image).values()]).sum().backward()
    assert [name for name, p in few.named_parameters() if p.grad is None] == []
    assert not any(".takes_1." in name for name, _ in few.named_parameters())


@pytest.mark.parametrize("method", [name for name in DECODERS if not METHODS[name].dense])
def test_pooled_tasks_may_be_among_them(method: str, image: Tensor) -> None:
    outputs = make(method, {"depth": Dense(1), "scene": Pooled(5)}).train()(image)
    assert {y.shape for name, y in outputs.items() if name.startswith("scene")} == {(2, 5)}


@pytest.mark.parametrize("method", [name for name in DECODERS if METHODS[name].dense])
def test_where_all_must_be_dense_a_pooled_task_is_refused_in_a_sentence(method: str) -> None:
    with pytest.raises(InputError, match=f"'{method}' refines maps at every scale .* 'scene' is pooled"):
        make(method, {"depth": Dense(1), "scene": Pooled(5)})


@pytest.mark.parametrize("freeze", ["backbone", "stages:2"])
def test_experts_that_would_be_all_the_same_are_refused(freeze: str) -> None:
    for method in EXPERTS:
        with pytest.raises(InputError, match=f"method '{method}' mixes backbones, which would all be the same"):
            make(method, freeze=freeze)
    assert make("pad_net", freeze=freeze).trunk is not None


def test_the_parts_to_freeze(method: str, network: Woven) -> None:
    bodies = {id(p) for part in find_part(network, "backbone").layers for p in part.parameters()}
    names = [name for name, p in network.named_parameters() if id(p) in bodies]
    assert names == [name for name, _ in network.named_parameters() if part_of(name) == "backbone"]
    task = {id(p) for p in find_part(network, "task:depth").parameters()}
    assert any(id(p) in task for name, p in network.named_parameters() if name.startswith("fusion.depth."))
    assert not any(id(p) in task for name, p in network.named_parameters() if name.startswith("fusion.items."))
    with pytest.raises(InputError, match="tasks that join change the features of the others"):
        Freezing(network, {"old": None}, old=["depth", "values"])


@pytest.mark.parametrize(("option", "value"), [("trunk", 1), ("meet", "stages"), ("limit", 2.0), ("per_task", True)])
def test_what_only_fusion_layers_have_is_refused(method: str, option: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"method '{method}'"):
        make(method, **{option: value})


def test_a_decoder_must_say_how() -> None:
    with pytest.raises(TypeError, match="forward"):
        Decoder(None, {}, SIZE)  # type: ignore[abstract, arg-type]
