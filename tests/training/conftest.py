"""What tests of training have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def narrow() -> Iterator[None]:
    """Decoders a few channels wide, which are soon made and trained."""
    from afanet.networks.decoders import cross_attention, pad_net

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pad_net, "WIDTH", 16)
        patch.setattr(cross_attention, "WIDEST", 16)
        patch.setattr(cross_attention, "NARROWEST", 8)
        yield
