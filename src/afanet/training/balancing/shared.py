"""Which parameters of a network several tasks share, read from the graph of its outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from afanet.errors import unknown
from afanet.networks.contents import leaves_of
from afanet.networks.outputs import predictions
from afanet.networks.undisturbed import in_mode


def shared_parameters(
    network: nn.Module, tasks: Sequence[str], size: tuple[int, int], channels: int = 3
) -> tuple[list[nn.Parameter], dict[str, list[nn.Parameter]]]:
    """The trainable parameters that several of the tasks reach, and for each task the ones that only it reaches.

    A task reaches the parameters from which its output and its initial predictions are computed, in a forward pass of
    one image of `size` (H, W) in evaluation mode: running statistics, random numbers and the mode are left as they are.
    A parameter that no task reaches is in neither list; it has no gradient in an ordinary backward pass either. Both
    keep the order of `network.parameters()`.

    Args:
        network: called with images (B, C, H, W) it returns `{task: output}`.
        tasks: names of outputs.
        size: (H, W) of its images.
        channels: C of its images.

    Raises:
        InputError: for a task without an output of the network.

    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.trunk, self.a, self.b = nn.Conv2d(3, 1, 1), nn.Linear(1, 1), nn.Linear(1, 2, bias=False)
    ...     def forward(self, image):
    ...         x = self.trunk(image).mean((2, 3))
    ...         return {"a": self.a(x), "b": self.b(x)}
    >>> shared, own = shared_parameters(Net(), ["a", "b"], (4, 4))
    >>> [tuple(p.shape) for p in shared], {task: len(parameters) for task, parameters in own.items()}
    ([(1, 3, 1, 1), (1,)], {'a': 2, 'b': 1})
    """
    parameters, reached = _reached(network, tasks, size, channels)
    tasks_of = {parameter: [task for task in tasks if id(parameter) in reached[task]] for parameter in parameters}
    shared = [parameter for parameter in parameters if len(tasks_of[parameter]) > 1]
    return shared, {task: [parameter for parameter in parameters if tasks_of[parameter] == [task]] for task in tasks}


def learning_tasks(network: nn.Module, tasks: Sequence[str], size: tuple[int, int], channels: int = 3) -> list[str]:
    """The tasks that reach any trainable parameter; the arguments and errors are those of `shared_parameters`."""
    if all(parameter.requires_grad for parameter in network.parameters()):
        return list(tasks)
    parameters, reached = _reached(network, tasks, size, channels)
    return [task for task in tasks if any(id(parameter) in reached[task] for parameter in parameters)]


def _reached(
    network: nn.Module, tasks: Sequence[str], size: tuple[int, int], channels: int
) -> tuple[list[nn.Parameter], dict[str, set[int]]]:
    """The trainable parameters, and for each task the indices of those that it reaches."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    device = next((parameter.device for parameter in parameters), torch.device("cpu"))
    forked = [device] if device.type == "cuda" else []
    with in_mode(network, False), torch.random.fork_rng(forked), torch.enable_grad():
        give = getattr(network, "supervised", network)
        outputs: dict[str, Tensor] = give(torch.zeros(1, channels, *size, device=device))
    reached: dict[str, set[int]] = {}
    for task in tasks:
        if task not in outputs:
            raise unknown("output of the network", task, outputs)
        reached[task] = set().union(*map(leaves_of, predictions(task, outputs)))
    return parameters, reached
