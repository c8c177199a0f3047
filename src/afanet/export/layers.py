"""The layers of an ONNX graph that multiply by weights, under their names in the run."""

from __future__ import annotations

import ast
from typing import Any

KINDS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
SCOPES = "pkg.torch.onnx.name_scopes"  # where torch's exporter keeps the modules from which a node came
NETWORK = "network."


def weighted_layers(model: Any) -> dict[str, str]:
    """The names of a `ModelProto`'s nodes whose second factor is constant, in order, each with its layer's name."""
    constant = {weight.name for weight in model.graph.initializer}
    return {
        node.name: _layer(node)
        for node in model.graph.node
        if node.op_type in KINDS and len(node.input) > 1 and node.input[1] in constant
    }


def _layer(node: Any) -> str:
    """The layer of a node: by its weight's name, else the innermost module it came from, else the node's own name."""
    weight = node.input[1]
    if weight.startswith(NETWORK) and weight.endswith(".weight"):
        return str(weight[len(NETWORK) : -len(".weight")])
    scopes = next((entry.value for entry in node.metadata_props if entry.key == SCOPES), "[]")
    modules = [scope for scope in ast.literal_eval(scopes) if scope.startswith(NETWORK)]
    return modules[-1][len(NETWORK) :] if modules else str(node.name)
