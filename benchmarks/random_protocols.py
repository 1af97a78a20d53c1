"""The contrasts of random protocols, as publicly trained networks know them: no site's."""

from __future__ import annotations

from typing import Final

import numpy as np

from fl_components.server.population import ContrastPopulation
from fl_components.training.private.summary import USUAL_SPREAD, public_contrast

_PROTOCOLS: Final = 200
_STREAM: Final = 53


def random_protocols() -> ContrastPopulation:
    """200 hospitals of equal size, their contrasts around the public mean."""
    rng = np.random.default_rng(_STREAM)
    centre, covariance = public_contrast()
    drawn = rng.multivariate_normal(centre.ravel(), covariance, _PROTOCOLS).reshape(_PROTOCOLS, *centre.shape)
    return ContrastPopulation(np.clip(drawn, 0, 1).astype(np.float32),
                              np.full(drawn.shape, USUAL_SPREAD, np.float32), np.full(_PROTOCOLS, 1 / _PROTOCOLS), True)
