"""The table of methods: what it lists, and what may be added to it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from afanet import AFA, InputError, Pooled, create_network, record_gates, register_method
from afanet.fusion import Fusion, cut_connection, record_flow
from afanet.fusion.meetings import fusion_layers, lacking
from afanet.networks.methods import METHODS, Method, compared, listed

ROOT = Path(__file__).parents[2]
OUTPUTS = {"age": Pooled(8), "gender": Pooled(2)}


class Mean(Fusion):
    """Every task gets the mean of all.

    And this is more about it.
    """

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [sum(xs[1:], xs[0]) / len(xs)] * len(xs)


class AtStages(Mean):
    meet = "stages"


class Cuttable(Mean):
    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        return self(xs)


@pytest.fixture(autouse=True)
def own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "_rows", dict(METHODS._rows))


def test_the_rows_need_no_torch() -> None:
    code = (
        "import sys; from afanet.networks.methods import METHODS, compared, listed\n"
        "assert len(listed()) > len(compared()) > 5\n"
        "assert all(row.description for row in METHODS.values())\n"
        "assert not {'torch', 'timm'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", ["README.md", "docs/concepts.md"])
def test_the_tables_in_the_pages_have_every_method(page: str) -> None:
    rows = re.findall(r"^\| `(\w+)`", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows[: len(compared())]) == sorted(compared())


def test_a_registered_class_is_a_method_that_meets_where_it_says() -> None:
    register_method("mean", Mean)
    register_method("mean_at_stages", AtStages)
    assert METHODS["mean"].description == "Every task gets the mean of all."
    assert "mean" not in listed()
    for name, options, points in [
        ("mean", {}, ["layer4.0", "layer4.1"]),
        ("mean", {"meet": "stages"}, ["after_layer1", "layer2", "layer3", "layer4"]),
        ("mean_at_stages", {}, ["after_layer1", "layer2", "layer3", "layer4"]),
        ("mean_at_stages", {"trunk": 3}, ["layer4"]),
    ]:
        network = create_network(name, OUTPUTS, "resnet18", size=(64, 64), **options)
        assert list(fusion_layers(network)) == [f"backbone.{point}" for point in points]


def test_options_reach_a_class_without_a_constructor_of_its_own() -> None:
    register_method("mean", Mean)
    network = create_network("mean", OUTPUTS, "resnet18", size=(64, 64), limit=1.0)
    assert all(layer.guard is not None for layer in fusion_layers(network).values())
    with pytest.raises(InputError, match="no gates that could be per task"):
        create_network("mean", OUTPUTS, "resnet18", size=(64, 64), per_task=True)


def test_a_row_may_be_registered_too() -> None:
    register_method("mean_and_more", Method("the mean", fusion=Mean, finish=lambda network, shape: network.eval()))
    assert not create_network("mean_and_more", OUTPUTS, "resnet18", size=(64, 64)).training


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("afa", Mean, "'afa' cannot name a method, since it is taken"),
        ("my mean", Mean, "is not a word"),
        ("mine", torch.nn.Linear, "expected a class that derives from afanet.Fusion"),
        ("mine", Mean(4), "expected a class"),
        ("mine", Fusion, "which lacks fuse"),
        ("mine", type("Lost", (Mean,), {"meet": "block"}), "did you mean 'blocks'"),
    ],
)
def test_what_is_no_method_is_refused(name: str, given: type[Fusion], message: str) -> None:
    before = list(METHODS)
    with pytest.raises(InputError, match=message):
        register_method(name, given)
    assert list(METHODS) == before


def test_a_layer_says_what_it_offers() -> None:
    offers = [(one.offers_gates, one.offers_flow, one.offers_cut) for one in (AFA(4, 2, (3, 3)), Mean(4), Cuttable(4))]
    assert offers == [(True, True, True), (False, False, False), (False, False, True)]


def test_what_a_layer_does_not_define_is_said_when_it_is_asked_for() -> None:
    register_method("mean", Mean)
    network = create_network("mean", OUTPUTS, "resnet18", size=(64, 64))
    for record in (record_gates, record_flow):
        with pytest.raises(InputError, match="Mean defines no gates"), record(network):
            pass
    with (
        pytest.raises(InputError, match=r"Mean at backbone\.layer4\.1 defines no cut"),
        cut_connection(network, "backbone.layer4.1", 0, 1),
    ):
        pass
    assert lacking(network).count("Mean") == 2
    assert lacking(torch.nn.ModuleDict({"a": Cuttable(4)})).endswith("is not known.")
    assert lacking(torch.nn.ModuleDict({"a": AFA(4, 2, (3, 3))})) == ""


def test_layers_with_gates_are_read_beside_some_without() -> None:
    network = torch.nn.ModuleDict({"gated": AFA(4, 2, (3, 3)), "plain": Mean(4)})
    xs = [torch.rand(1, 4, 3, 3), torch.rand(1, 4, 3, 3)]
    with record_gates(network) as gates, record_flow(network) as flows:
        network["plain"](network["gated"](xs))
    assert list(gates) == list(flows) == ["gated"]


def test_the_papers_factors_are_those_of_two_methods() -> None:
    own = {name: METHODS[name].fusion_rate for name in METHODS.own}
    assert {name: rate for name, rate in own.items() if rate is not None} == {"cross_stitch": 100, "nddr": 100}
