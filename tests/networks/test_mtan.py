"""MTAN: the paper's equation, one trunk that every task sees through masks of its own, on any backbone with stages."""

from __future__ import annotations

import copy
import pickle
from functools import cache, partial
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from afanet import Dense, Pooled, create_network
from afanet.networks import Woven
from afanet.networks.mtan import Attention
from afanet.training.cost import flops, parameters
from afanet.training.optimisation import part_of

from ..relatives import relatives

OUTPUTS = {"depth": Dense(1), "scene": Pooled(5), "segmentation": Dense(4)}
SIZE = (64, 96)
mtan = partial(create_network, "mtan", size=SIZE)


@cache
def _network() -> Woven:
    return mtan(OUTPUTS, "resnet18")


@pytest.fixture
def network() -> Woven:
    """Three tasks on one ResNet-18."""
    return copy.deepcopy(_network()).eval()


def attentions(network: nn.Module) -> dict[str, Attention]:
    return {name: module for name, module in network.named_modules() if isinstance(module, Attention)}


def own(network: nn.Module, task: str) -> list[nn.Parameter]:
    return [
        p for name, p in network.named_parameters() if name.startswith((f"fusion.{task}.", f"branches.{task}.head."))
    ]


def trunk(network: nn.Module) -> list[nn.Parameter]:
    return [p for name, p in network.named_parameters() if ".backbone." in name and name.startswith("branches.")]


def backward(output: Tensor) -> None:
    output.square().mean().backward()


def test_attention_is_the_papers_equation() -> None:
    attention = Attention(inner=6, last=8, below=4).double().eval()
    norms = [module for module in attention.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    convs = [module.weight for module in attention.modules() if isinstance(module, nn.Conv2d)]

    def layer(x: Tensor, i: int) -> Tensor:
        norm = norms[i]
        y = F.conv2d(x, convs[i], padding=convs[i].shape[-1] // 2)
        scaled = (y - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + norm.eps).sqrt()
        return scaled * norm.weight[:, None, None] + norm.bias[:, None, None]

    u, p, a = (torch.randn(2, c, h, w).double() for c, h, w in [(6, 5, 7), (8, 5, 7), (4, 10, 14)])
    f = layer(layer(layer(a, 0).relu(), 1).relu(), 2).relu()
    seen = torch.cat([u, F.max_pool2d(f, 2)], 1)
    expected = layer(layer(seen, 3).relu(), 4).sigmoid() * p
    torch.testing.assert_close(attention(u, p, a), expected)


@settings(max_examples=20, deadline=None)
@given(channels=st.integers(1, 9), below=st.integers(0, 9), size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
       larger=st.tuples(st.integers(1, 19), st.integers(1, 19)))  # fmt: skip
def test_masks_lie_between_0_and_1(channels: int, below: int, size: tuple[int, int], larger: tuple[int, int]) -> None:
    attention = Attention(channels + 1, channels, below)
    u, p = torch.randn(2, channels + 1, *size), torch.ones(2, channels, *size)
    a = torch.randn(2, below, *larger) if below else None
    mask = attention.eval()(u, p, a)
    assert mask.shape == p.shape
    assert ((mask > 0) & (mask < 1)).all()


def test_a_first_stage_has_nothing_below() -> None:
    assert Attention(8, 8).encoder is None
    assert Attention(8, 8, 4).encoder is not None


@pytest.mark.parametrize(
    ("backbone", "options", "size"),
    [
        ("resnet18", {}, (64, 96)),
        ("resnet18", {}, (43, 57)),
        ("resnet18", {"output_stride": 8, "multi_grid": (1, 2)}, (43, 57)),
        ("resnet18", {"output_stride": 32}, (64, 96)),
        ("mobilenetv3_small_050", {"output_stride": 32}, (43, 57)),  # stages of one block, channels of all widths
        ("convnext_atto", {}, (64, 96)),
        pytest.param(
            "densenet121", {"output_stride": 32}, (64, 96), marks=pytest.mark.slow
        ),  # stages that are no chains
        pytest.param("swin_tiny_patch4_window7_224", {"output_stride": 32}, (64, 96), marks=pytest.mark.slow),
        pytest.param("mobilevitv2_050", {}, (75, 97), marks=pytest.mark.slow),  # u is larger than p
    ],
)
def test_with_open_masks_it_is_hard_sharing(backbone: str, options: dict[str, object], size: tuple[int, int]) -> None:
    network = mtan(OUTPUTS, backbone, **options).eval()
    hard = create_network("hard", OUTPUTS, backbone, size=SIZE, **options).eval()
    image = torch.rand(2, 3, *size)
    hard.load_state_dict({name: x for name, x in network.state_dict().items() if not name.startswith("fusion.")})
    masked = network(image)
    for attention in attentions(network).values():
        nn.init.zeros_(attention.mask[-2].weight)
        nn.init.constant_(attention.mask[-2].bias, 100.0)
    opened = network(image)
    for task, expected in hard(image).items():
        assert torch.equal(opened[task], expected)
        assert not torch.equal(masked[task], expected)


@pytest.mark.parametrize(
    ("backbone", "seen"),
    [
        (
            "resnet18",
            ["layer1_0, after_layer1", "layer2_0, layer2_1, ", "layer3_0, layer3_1, ", "layer4_0, layer4_1, "],
        ),
        (
            "resnet50",
            ["layer1_1, after_layer1", "layer2_2, layer2_3, ", "layer3_4, layer3_5, ", "layer4_1, layer4_2, "],
        ),
        ("resnet10t", ["after_layer1, after_layer1", "layer2, layer2, ", "layer3, layer3, ", "layer4, layer4, "]),
        ("cs3darknet_s", ["after_stages_0, after_stages_0", "stages_1, stages_1, ", "stages_2, stages_2, "]),
    ],
)
def test_a_stage_is_seen_before_and_after_its_last_block(backbone: str, seen: list[str]) -> None:
    code = mtan({"a": Pooled(2), "b": Pooled(3)}, backbone).code
    for task in "ab":
        lines = [line.split("(", 1)[1] for line in code.splitlines() if f"= self.fusion.{task}." in line]
        for line, start in zip(lines, seen, strict=False):
            assert line.startswith(start)
        assert len(lines) == 4


def test_a_head_gets_what_its_task_took_of_the_first_and_the_last_stage(network: Woven) -> None:
    taken: dict[str, Tensor] = {}
    for name, attention in attentions(network).items():
        attention.register_forward_hook(lambda module, args, output, name=name: taken.update({name: output}))
    got: dict[str, tuple[Tensor, Tensor]] = {}
    for task in OUTPUTS:
        head = network.branches.get_submodule(f"{task}.head")
        head.register_forward_hook(lambda module, args, output, task=task: got.update({task: args[0]}))
    network(torch.rand(1, 3, *SIZE))
    for task, (low, high) in got.items():
        assert low is taken[f"fusion.{task}.after_layer1"]
        assert high is taken[f"fusion.{task}.layer4"]
        assert (low.shape[-2:], high.shape[-2:]) == ((16, 24), (4, 6))


@pytest.mark.parametrize("task", OUTPUTS)
def test_a_task_teaches_the_trunk_and_its_own_attention_and_nothing_else(network: Woven, task: str) -> None:
    backward(network.train()(torch.rand(2, 3, *SIZE))[task])
    assert all(p.grad is not None for p in trunk(network))
    assert trunk(network)[0].grad.any()
    for other in OUTPUTS:
        if other != task:
            assert all(p.grad is None for p in own(network, other))
    assert all(p.grad is not None and p.grad.isfinite().all() for p in own(network, task))
    assert all(p.grad.any() for p in attentions(network)[f"fusion.{task}.layer4"].parameters())


def test_permuted_tasks_give_permuted_outputs(network: Woven) -> None:
    turned = mtan(dict(reversed(OUTPUTS.items())), "resnet18").eval()
    state = {
        name.replace("branches.depth.backbone.", "branches.segmentation.backbone."): x
        for name, x in network.state_dict().items()
    }
    turned.load_state_dict(state)
    image = torch.rand(1, 3, *SIZE)
    outputs, again = network(image), turned(image)
    assert list(again) == list(reversed(outputs))
    for task in OUTPUTS:
        assert torch.equal(outputs[task], again[task])


def test_every_parameter_belongs_to_a_part_and_the_trunk_to_the_first_task(network: Woven) -> None:
    parts = {name: part_of(name) for name, _ in network.named_parameters()}
    assert set(parts.values()) == {"backbone", "head", "fusion"}
    assert all(name.startswith("branches.depth.") for name, part in parts.items() if part == "backbone")
    hard = create_network("hard", OUTPUTS, "resnet18", size=SIZE)
    assert [name for name, part in parts.items() if part != "fusion"] == [name for name, _ in hard.named_parameters()]


@pytest.mark.parametrize("backbone", relatives(["resnet10t", "mobilenetv3_small_050"], ["resnet10t"]))
def test_parameters_grow_by_the_same_with_every_task(backbone: str) -> None:
    counts = [parameters(mtan({f"t{i}": Pooled(2) for i in range(n)}, backbone)) for n in range(1, 5)]
    grown = {after - before for before, after in pairwise(counts)}
    one = mtan({"t": Pooled(2)}, backbone)
    assert grown == {sum(p.numel() for p in own(one, "t"))}


def test_it_costs_more_than_hard_sharing_and_less_than_single_tasks() -> None:
    outputs = {f"t{i}": Pooled(2) for i in range(4)}
    networks = [create_network(method, outputs, "resnet18", size=SIZE) for method in ("hard", "mtan", "single")]
    for cost in (parameters, partial(flops, size=SIZE)):
        hard, mine, single = map(cost, networks)
        assert hard < mine < single


def test_copies_compute_the_same(network: Woven) -> None:
    image = torch.rand(2, 3, *SIZE)
    expected = network(image)
    restored = mtan(OUTPUTS, "resnet18").eval()
    restored.load_state_dict(network.state_dict())
    for copied in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), restored):
        assert copied.tasks == list(OUTPUTS)
        for task, output in copied(image).items():
            assert torch.equal(output, expected[task])


def test_autocast_and_other_precisions(network: Woven) -> None:
    image = torch.rand(2, 3, *SIZE)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(y.isfinite().all() for y in network(image).values())
    assert all(y.dtype == torch.float64 for y in network.double()(image.double()).values())


def test_it_exports_with_any_batch(network: Woven) -> None:
    batch = {"image": {0: torch.export.Dim("batch", min=1, max=64)}}
    exported = torch.export.export(network, (torch.rand(2, 3, *SIZE),), dynamic_shapes=batch).module()
    image = torch.rand(3, 3, *SIZE)
    torch.testing.assert_close(exported(image), network(image), rtol=1e-3, atol=1e-4)


def test_it_compiles_as_one_graph_and_trains_alike() -> None:
    network = mtan({"age": Pooled(8), "gender": Pooled(2)}, "test_resnet")
    image, plain = torch.rand(2, 3, *SIZE), copy.deepcopy(network)
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    for each in (compiled, plain):
        backward(torch.cat(list(each(image).values()), 1))
    for one, other in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4)


def test_forty_tasks_train_a_step() -> None:
    network = mtan({f"attribute{i}": Pooled(1) for i in range(40)}, "resnet10t", size=(32, 32)).train()
    torch.stack([y.square().mean() for y in network(torch.rand(2, 3, 32, 32)).values()]).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_a_network_whose_stages_put_out_several_tensors_runs_whole() -> None:
    network = mtan({"a": Pooled(2), "b": Pooled(3)}, "selecsls42", size=(64, 64)).eval()
    with torch.no_grad():
        assert {task: y.shape for task, y in network(torch.rand(1, 3, 64, 64)).items()} == {"a": (1, 2), "b": (1, 3)}
