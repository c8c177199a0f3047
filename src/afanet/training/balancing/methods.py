"""The table of balancing methods; neither torch nor TorchJD is needed to read it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from afanet.errors import unknown
from afanet.training.balancing.method import MEAN, Balancing

if TYPE_CHECKING:
    from torch import nn


def find_balancing(name: str) -> Balancing:
    """The row of the table with this name; raises `InputError` that suggests the nearest name if there is none.

    >>> find_balancing("pcgrad").kind
    'gradient'
    """
    if name not in BALANCINGS:
        raise unknown("balancing method", name, BALANCINGS)
    return BALANCINGS[name]


def _torchjd(path: str, *, counted: bool = False) -> Callable[..., nn.Module]:
    """Creates the class at `path` in TorchJD, imported on use; `counted` passes it the number of tasks."""
    module, _, name = path.rpartition(".")

    def make(count: int, **options: float) -> nn.Module:
        made: nn.Module = getattr(import_module(f"torchjd.{module}"), name)(*[count] * counted, **options)
        return made

    return make


def _own(path: str) -> Callable[..., nn.Module]:
    """Creates a class of this package, which needs torch."""
    module, _, name = path.rpartition(".")

    def make(count: int, **options: float) -> nn.Module:
        made: nn.Module = getattr(import_module(f"afanet.training.balancing.{module}"), name)(count, **options)
        return made

    return make


def _smoothed(count: int, **options: float) -> nn.Module:
    from torchjd.aggregation import CRMOGMWeighting

    shortest: Any = _own("weightings.MGDA")(count)  # called in the same way as TorchJD's weightings
    return CRMOGMWeighting(shortest, options["alpha"])


# fmt: off
_ROWS = [
    Balancing("equal", "losses", "The sum of the losses.", "-", _own("plain.Sum"), fewest=1),
    Balancing("fixed", "losses", "The sum of the losses, each times a weight that you choose.", "-",
              _own("plain.Weighted"), named=True),
    Balancing("dwa", "last losses",
              "Weights by how slowly each loss fell over the last two epochs.",
              "Liu, Johns and Davison, CVPR 2019",
              _torchjd("scalarization.DWA"), {"temperature": 2.0}, end_epoch=lambda dwa: dwa.step()),
    Balancing("uw", "last losses",
              "Learns a variance for each task, and divides its loss by it.",
              "Kendall, Gal and Cipolla, CVPR 2018",
              _torchjd("scalarization.UW", counted=True), learns=True),
    Balancing("famo", "last losses",
              "Learns weights under which all losses fall at the same relative rate, from the losses alone.",
              "Liu, Feng, Stone and Liu, NeurIPS 2023",
              _torchjd("scalarization.FAMO", counted=True), {"lr": 0.025, "weight_decay": 1e-3},
              after_step=lambda famo, losses: famo.update(losses)),
    Balancing("geometric-mean", "last losses",
              "The geometric mean of the losses, in which the units of a loss do not matter.",
              "Chennupati et al., CVPR Workshops 2019",
              _torchjd("scalarization.GeometricMean")),
    Balancing("imtl-l", "last losses",
              "Learns a factor for each loss that brings all to the same size.",
              "Liu et al., ICLR 2021",
              _torchjd("scalarization.IMTLL", counted=True), learns=True),
    Balancing("random-loss", "losses",
              "Weights the losses at random in every step.",
              "Lin et al., TMLR 2022",
              _torchjd("scalarization.Random")),
    Balancing("stch", "last losses",
              "A smooth maximum of the losses: the worst task counts most, the more so the smaller mu.",
              "Lin et al., ICML 2024",
              _torchjd("scalarization.STCH"), {"mu": 1.0}),
    Balancing("gradnorm", "norms",
              "Learns weights that bring gradients to a common norm, larger for tasks that learn slowly.",
              "Chen et al., ICML 2018",
              _own("gradnorm.GradNorm"), {"alpha": 1.5, "lr": 0.025}),
    Balancing("pcgrad", "unit gramian",
              "Takes from each gradient what conflicts with another one, and sums.",
              "Yu et al., NeurIPS 2020",
              _torchjd("aggregation.PCGradWeighting")),
    Balancing("cagrad", "angles",
              "Near the mean gradient, the direction that serves the worst-off task best; c is how near.",
              "Liu et al., NeurIPS 2021",
              _own("weightings.CAGrad"), {"c": 0.5}, yields=lambda count, options: 1 + options["c"],
              retired=("norm_eps",)),
    Balancing("mgda", "angles",
              "The shortest convex combination of the gradients, along which every loss falls.",
              "Désidéri, Comptes Rendus 2012; Sener and Koltun, NeurIPS 2018",
              _own("weightings.MGDA"), yields=MEAN, retired=("epsilon", "max_iters")),
    Balancing("imtl-g", "angles",
              "The combination with the same projection on every task's gradient.",
              "Liu et al., ICLR 2021",
              _own("weightings.IMTLG"), yields=MEAN),
    Balancing("nash-mtl", "angles",
              "The Nash solution of a bargaining game between the tasks.",
              "Navon et al., ICML 2022",
              _own("weightings.NashMTL"), {"max_norm": 1.0, "update_weights_every": 1, "optim_niter": 20}, yields=None),
    Balancing("aligned-mtl", "angles",
              "Gives the principal components of the gradients one length, so that none dominates.",
              "Senushkin et al., CVPR 2023",
              _own("weightings.AlignedMTL"), yields=MEAN),
    Balancing("upgrad", "angles",
              "Projects each gradient to where it conflicts with none, and takes the mean.",
              "Quinton and Rey, arXiv 2024",
              _own("weightings.UPGrad"), yields=MEAN),
    Balancing("fairgrad", "angles",
              "Shares progress between the tasks by alpha-fairness.",
              "Ban and Ji, ICML 2024",
              _own("weightings.FairGrad"), {"alpha": 1.0}, yields=None),
    Balancing("random-gradient", "unit gramian",
              "Weights the gradients at random in every step; heads are not weighted.",
              "Lin et al., TMLR 2022",
              _torchjd("aggregation.RandomWeighting"), yields=MEAN),
    Balancing("dualproj", "angles",
              "Projects the mean gradient to where it conflicts with none.",
              "Lopez-Paz and Ranzato, NeurIPS 2017",
              _own("weightings.DualProj"), yields=MEAN),
    Balancing("config", "angles",
              "The direction with the same angle to every gradient.",
              "Liu, Chu and Thuerey, ICLR 2025",
              _own("weightings.ConFIG")),
    Balancing("graddrop", "jacobian",
              "Keeps, in each parameter, the gradients of one sign, drawn at random by how pure it is.",
              "Chen et al., NeurIPS 2020",
              _torchjd("aggregation.GradDrop"), weighs=False),
    Balancing("gradvac", "unit gramian",
              "Turns each gradient towards the others until it is as similar to them as it has been on average.",
              "Wang et al., ICLR 2021",
              _torchjd("aggregation.GradVacWeighting"), {"beta": 0.5, "eps": 1e-16}),
    Balancing("pcd", "gramian",
              "Follows the first task's gradient, as far as every other task makes a share tau of its own progress.",
              "Varam and AlHajri, TMLR 2026",
              _torchjd("aggregation.PCDWeighting"), {"tau": 0.02, "beta": 0.999, "eps": 0.0}, yields=MEAN),
    Balancing("excess-mtl", "jacobian",
              "Weights tasks by how far they are from the best they can reach, robust to noisy labels.",
              "He et al., ICML 2024",
              _torchjd("aggregation.ExcessMTLWeighting"), {"robust_step_size": 1.0, "n_warmup_steps": 0}, yields=MEAN),
    Balancing("cr-mogm", "angles",
              "MGDA with weights smoothed over the steps.",
              "Zhou et al., NeurIPS 2022",
              _smoothed, {"alpha": 0.9}, yields=MEAN),
]
# fmt: on

BALANCINGS: dict[str, Balancing] = {row.name: row for row in _ROWS}
