"""Whether a site's subjects can say what a release is worth, said before anything starts."""

from __future__ import annotations

from fl_components.cohort.cohort import Cohort
from fl_components.evaluation.training_sets import SHARE
from fl_components.site import Site
from fl_components.study import Study
from privacy_eval.errors import InputError


def require_evaluation(study: Study) -> None:
    """Refuse a study that claims an ε for its patients.

    Raises:
        InputError: if it does.
    """
    if study.privacy.private:
        raise InputError(f"study '{study.name}': [privacy] mode = 'private', and what an evaluation tells of patients "
                         "is not on that mode's list of what may leave; evaluate a study that claims no ε, on patients "
                         "of whom no private study is planned")


def evaluation_cohort(site: Site, study: Study) -> Cohort:
    """The site's prepared cohort, if segmenters can be trained and scored there.

    Raises:
        InputError: in one line, if the study claims an ε; nobody's tumour has a mask; sequences are missing; nobody is
            left to train on or to score; or a set of 10 % real subjects would be of fewer than the site's
            `minimum_count`.
    """
    require_evaluation(study)
    if site.data.tumours != "masked":
        raise InputError(f"site '{site.name}': data.tumours = '{site.data.tumours}', so no segmenter can be trained or "
                         f"scored there; leave it out with --without {site.name}")
    cohort = Cohort.load(site, study)
    for part in ("members", "test"):
        if not getattr(cohort.split, part):
            raise InputError(f"site '{site.name}': nobody is among its {part} "
                             f"({len(cohort.split.subjects)} subjects in all), so no segmenter can be "
                             f"{'trained' if part == 'members' else 'scored'} there; leave it out with --without "
                             f"{site.name}")
    few = max(1, round(SHARE * len(cohort.split.members)))
    if any("10 %" in name for name in study.evaluation.sets) and few < site.policy.minimum_count:
        raise InputError(f"site '{site.name}': 10 % of its {len(cohort.split.members)} members are {few}, below its "
                         f"policy's minimum_count = {site.policy.minimum_count}; leave it out with --without "
                         f"{site.name}, or agree on evaluation.sets without those of 10 %")
    return cohort
