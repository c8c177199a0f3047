"""What cannot be woven is refused in one sentence that names the layer and what would help."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from afanet import AFA, CrossStitch, Dense, InputError, create_network, weave
from afanet.networks.trace import Trace

SHAPE = (1, 3, 16, 16)


class Odd(nn.Module):
    """Layers in all the ways in which branches cannot meet at them."""

    def __init__(self, forward: Callable[[Odd, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU()
        self.unused = nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.flat = nn.Flatten(2)
        self.lstm = nn.LSTM(3, 3)
        self.run = forward

    def forward(self, image: Tensor) -> Tensor:
        return self.run(self, image)


def straight(net: Odd, x: Tensor) -> Tensor:
    return net.flat(net.pool(net.relu(net.conv(net.relu(x)))))


def by_value(net: Odd, x: Tensor) -> Tensor:
    x = net.conv(x)
    return x if x.mean() > 0 else -x


def with_lstm(net: Odd, x: Tensor) -> Tensor:
    return net.lstm(x.flatten(2).transpose(1, 2))[0]


@pytest.mark.parametrize(
    ("forward", "at", "message"),
    [
        (straight, "convv", "unknown layer of branch 'a' 'convv', did you mean 'conv'"),
        (
            straight,
            "relu",
            "branch 'a' calls layer 'relu' 2 times.*called once: name a layer around it",
        ),
        (straight, "unused", "branch 'a' never calls layer 'unused'"),
        (straight, "flat", r"layer 'flat' of branch 'a' outputs \(2, 3, 16\).*declare it.*Layout\('BNC'"),
        (straight, "pool", r"layer 'pool' of branch 'a' outputs \(2, 3, 4, 4\) and nothing says"),
        (with_lstm, "lstm", "layer 'lstm' of branch 'a' outputs tuple"),
    ],
)
def test_layers_that_cannot_be_met_at(forward, at: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        weave({"a": Odd(forward), "b": Odd(forward)}, [at], AFA, example=SHAPE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (["stem", "stem.0"], "layer 'stem' of branch 'age' encloses 'stem.0'"),
        (["stem", "stem"], "layer 'stem' of branch 'age' is named 2 times"),
        ([["stem"], ["stem", "last"]], "different numbers of layers to meet at, {'age': 1, 'mood': 2}"),
        ([["stem"]] * 3, "`at` has 3 lists for 2 branches"),
        ({"age": ["stem"]}, r"`at` names the branches \['age'\]: expected one list for each of \['age', 'mood'\]"),
        (
            [["stem"], ["last"]],
            r"disagree at layer 'stem'.*'age' has \[\(8, 8, 8\)\] at 'stem'; 'mood' has \[\(8, 4",
        ),
        ([3], "`at` got 3: expected names of layers"),
        (None, "`at` got None: expected a list"),
        ("head", r"layer 'head' of branch 'age' outputs \(2, 8\)"),
    ],
)
def test_points_that_do_not_fit_together(classifier, at: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        weave({"age": classifier(8), "mood": classifier(7)}, at, AFA, example=SHAPE)


def test_a_name_that_only_another_branch_has_gets_the_way_to_name_layers_by_branch(classifier) -> None:
    branches = {"age": nn.Sequential(classifier(8)), "mood": classifier(7)}
    said = r"'mood' '0\.last', which branch 'age' has: give each .*, at={'age': \[...\], 'mood': \[...\]}$"
    with pytest.raises(InputError, match=said):
        weave(branches, ["0.last"], AFA, example=SHAPE)


@pytest.mark.parametrize(
    "task", ["", "a.b", "training", "forward", "class", "_modules", 3, "age group", "2", "é-1", "a" * 65, "__init__"]
)
def test_tasks_need_names_that_can_stand_in_parameters(classifier, task: object) -> None:
    with pytest.raises(InputError, match="cannot name a task"):
        weave({task: classifier(8)}, [], None)


def test_any_word_will_do(classifier) -> None:
    woven = weave({"age_group": classifier(8), "_2": classifier(2), "E1": classifier(1)}, ["last"], AFA, example=SHAPE)
    assert list(woven(torch.rand(2, *SHAPE[1:]))) == ["age_group", "_2", "E1"]


def test_branches_and_fusions_that_are_none(classifier) -> None:
    one = classifier(8)
    for branches, at, fusion, example, message in [
        ({}, [], None, None, "no branches"),
        ({"a": one, "b": one}, [], None, None, "branch 'a' is the same object as another"),
        ({"a": torch.relu}, [], None, None, "branch 'a' is a builtin_function_or_method"),
        ({"a": one, "b": classifier(2)}, ["stem"], None, None, "no fusion layer"),
        (
            {"a": one, "b": classifier(2)},
            ["stem"],
            lambda *_, **__: torch.relu,
            SHAPE,
            "fusion called for 'stem' returned",
        ),
        ({"a": one, "b": classifier(2)}, ["stem"], AFA, (3, 16, 16), r"example has the shape \(3, 16, 16\)"),
        (
            {"a": one, "b": classifier(2)},
            ["last"],
            AFA,
            (1, 5, 16, 16),
            r"fails in 'stem\.0' on images of 5x16x16",
        ),
        ({"a": one}, ["stem"], AFA, SHAPE, "at least 2 tasks"),
    ]:
        with pytest.raises(InputError, match=message):
            weave(branches, at, fusion, example=example)


def test_a_failed_weave_leaves_the_branches_in_their_modes(classifier) -> None:
    branch = classifier(8)
    branch.stem.eval()
    before = [module.training for module in branch.modules()]
    with pytest.raises(InputError):
        weave({"age": branch, "mood": classifier(7, 16)}, ["stem"], AFA, example=SHAPE)
    assert [module.training for module in branch.modules()] == before


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weave([net(), net()], ["0"], AFA), "branches as a list: expected a dict of networks by task name"),
        (lambda: weave(net(), ["0"], AFA), "branches as a Sequential: expected a dict"),
        (
            lambda: weave({"a": net(), "b": net()}, ["0"], "afa"),
            "`fusion` is 'afa': expected a class such as afanet.AFA",
        ),
        (
            lambda: weave({"a": net()}, ["0"], CrossStitch(8, tasks=2)),
            "`fusion` is a module of class CrossStitch: expected the class",
        ),
        (lambda: weave({"a": net()}, ["0"], 3), "`fusion` is 3: expected a class"),
        (lambda: create_network("afa", ["depth"]), "outputs as a list: expected a dict by task name"),
        (lambda: create_network(AFA, {"depth": Dense(1)}), "method is <class .*AFA'>, expected a name such as 'afa'"),
    ],
)
def test_arguments_of_another_form_are_said_in_a_sentence(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_line_that_depends_on_values_is_named() -> None:
    number = by_value.__code__.co_firstlineno + 2
    with pytest.raises(InputError, match=r"branch 'a' cannot be traced in its own forward.*meet at a layer") as caught:
        Trace("a", Odd(by_value), ["conv"], torch.empty(SHAPE))
    assert f"{__file__}, line {number}, `return x if x.mean() > 0 else -x`" in str(caught.value)


class Inner(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(int(x.sum())):
            x = x + 1
        return x


def test_the_line_is_named_in_a_layer_that_is_opened_too() -> None:
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), Inner()), nn.ReLU())
    network[0][1].deep = nn.Identity()
    with pytest.raises(InputError, match=r"traced in layer '0\.1', .*line \d+, `for _ in range\(int\(x.sum\(\)\)\):`"):
        Trace("a", network, ["0.1.deep"], torch.empty(SHAPE))


class AsksForSize(nn.Sequential):
    """Cannot be traced."""

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) if image.shape[-1] > 1 else image


@pytest.mark.parametrize("kind", [nn.Sequential, AsksForSize])
def test_a_layer_that_changes_the_shared_trunks_output_in_place_is_named(kind: type[nn.Sequential]) -> None:
    def branches(inplace: bool) -> dict[str, nn.Module]:
        return {task: kind(nn.Conv2d(3, 4, 1), nn.SiLU(inplace), nn.Conv2d(4, 2, 1)) for task in ("x", "y")}

    with pytest.raises(InputError, match=r"trunk up to '0', but 'branches\.x\.1' changes the trunk's output in place"):
        weave(branches(inplace=True), [], None, share="0", example=SHAPE)
    weave(branches(inplace=True), [], None, share="1", example=SHAPE)
    weave(branches(inplace=False), [], None, share="0", example=SHAPE)


@pytest.mark.parametrize("kind", [nn.Sequential, AsksForSize])
def test_a_layer_that_changes_a_norms_output_in_place_changes_no_trunk(kind: type[nn.Sequential]) -> None:
    branches = {task: kind(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)) for task in ("x", "y")}
    weave(branches, [], None, share="0", example=SHAPE)
