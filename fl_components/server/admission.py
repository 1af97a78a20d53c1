"""Admission: which of the sites' updates may enter the average."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fl_components.guard.declaration import declare, refusal, tensor_norm
from fl_components.networks.build import Weights
from fl_components.study import Study


def update_refusal(study: Study, site: str, fields: Mapping[str, np.ndarray]) -> str | None:
    """Why a site's update is not admitted, in one line; None if it is.

    Names, shapes, types and finiteness must be the declared ones, the L2 norm within the study's bound, and the site
    one of the study's.
    """
    if site not in study.sites:
        return f"'{site}' is not a site of the study"
    if reason := refusal(declare("train", study), fields):
        return reason
    if (norm := tensor_norm(fields)) > study.federation.update_norm_bound:
        return f"norm {norm:.4g} exceeds the study's update_norm_bound = {study.federation.update_norm_bound:g}"
    return None


def average(study: Study, updates: Mapping[str, Mapping[str, np.ndarray]], names: Weights) -> Weights:
    """The weighted mean of admitted updates: weights are the study's, never a site's claim.

    Args:
        study: gives each site's public weight.
        updates: admitted updates by site.
        names: any weights of the generator; says which fields are tensors to average.
    """
    total = sum(study.weight(site) for site in updates)
    shares = {site: study.weight(site) / total for site in updates}
    return {name: sum((np.float32(share) * updates[site][name] for site, share in shares.items()),
                      start=np.zeros_like(names[name])) for name in names}
