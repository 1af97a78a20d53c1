"""The report as data: what it promises, and what may not be in it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from audit_case import SETTING, answer, changed
from report_case import CANARIES, INSIDE, LITTLE, POLICY, result, whole

from privacy_eval.battery import Setting
from privacy_eval.report import audit_report
from privacy_eval.report.model import SCHEMA_VERSION
from privacy_eval.report.translation import THRESHOLD, posterior, residual, translate
from privacy_eval.statistics.counts import SUPPRESSED, clopper_pearson
from privacy_eval.verdict.answers import Answers
from privacy_eval.verdict.combine import combine
from privacy_eval.verdict.policy import Verdict


@pytest.mark.parametrize("verdict", list(Verdict))
def test_data_has_the_promised_keys_and_survives_json(verdict: Verdict) -> None:
    report = audit_report(result(verdict))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["schema_version"] == SCHEMA_VERSION == 2
    assert report["verdict"] == verdict.value
    assert report["edition"] == "public"
    for control in ("positive", "negative"):
        assert report["controls"][control]["outcome"] in ("passed", "failed")
    for test in report["tests"]:
        assert {"id", "n_members", "n_holdout", "estimate", "low", "high", "decision", "found_in"} <= set(test)
        assert test["low"] <= test["estimate"] <= test["high"]
    assert report["validity"]["outcome"] == "passed"
    assert {"apart", "unanswered", "attackers", "untested", "level", "audit_number", "translation"} <= set(report)


def test_the_worst_variant_speaks_and_is_named() -> None:
    site = changed(answer(n=200, setting=SETTING), "release", "T1.coarse", (0.66 * 200 * 200,))
    policy = replace(POLICY, tests=("T1",))
    test = audit_report(combine([site], policy))["tests"][0]
    assert (test["id"], test["found_in"], test["decision"]) == ("T1", "coarse", "LEAK")
    assert [row["id"] for row in test["variants"]] == ["T1.voxels", "T1.coarse", "T1.anatomy", "T1.tumour"]
    loud = test["variants"][1]
    assert {key: test[key] for key in ("estimate", "low", "high", "adjusted_p", "decision", "power")} == {
        key: loud[key] for key in ("estimate", "low", "high", "adjusted_p", "decision", "power")}
    assert [row["decision"] for row in test["variants"]].count("LEAK") == 1


def test_all_of_the_battery_is_somewhere() -> None:
    """Decides, apart, unanswered, or untested: nothing is passed over in silence."""
    report = audit_report(whole())
    told = [test["id"] for test in report["tests"]] + [row["test"] for row in report["apart"]]
    told += [row["id"] for row in report["untested"]] + ["T9"]
    assert {f"T{k}" for k in range(1, 13)} <= set(told)
    measures = [row["id"] for test in report["tests"] for row in test["variants"]]
    measures += [row["id"] for row in report["apart"]] + [row["id"] for row in report["unanswered"]]
    assert sorted(measures) == sorted(measure.id for measure in SETTING.measures)


def test_what_was_not_run_follows_from_the_setting() -> None:
    gaps = {row["id"] for row in audit_report(result(Verdict.NO_LEAK_FOUND))["untested"]}
    assert {"T2", "T3", "T4", "T5", "T9", "T10", "T11", "T12", "T1, T6", "K0+R", "K1/K2"} <= gaps
    gaps = {row["id"] for row in audit_report(whole(), canaries=CANARIES)["untested"]}
    assert not {"T2", "T4", "T9", "T10", "T11", "K0+R", "K1/K2"} & gaps
    subjects = [row["subject"] for row in audit_report(whole())["untested"]]
    assert "the space 'embedding'" in subjects
    assert "T12" in gaps


def test_an_attacker_who_does_not_count_is_reported_apart() -> None:
    policy = replace(POLICY, recipients="images", tests=("T1", "T4"))
    report = audit_report(combine([answer(n=60, setting=Setting(("voxels",)))], policy))
    why = {row["id"]: row["why"] for row in report["apart"]}
    assert "images alone" in why["T4.exact"]
    assert "family" in why["T6.voxels"]
    assert "alarm" in why["T8.dcr"]
    assert [test["id"] for test in report["tests"]] == ["T1"]
    assert "K1/K2" not in report["attackers"]


def test_the_public_edition_holds_nothing_of_the_inside() -> None:
    public = audit_report(whole())
    with pytest.raises(ValueError, match="internal edition"):
        audit_report(whole(), inside=INSIDE)
    with pytest.raises(ValueError, match="internal edition"):
        audit_report(whole(), "internal")
    internal = audit_report(whole(), "internal", inside=INSIDE)
    assert set(internal) - set(public) == {"inside"}
    same = set(public) - {"edition", "untested"}
    assert {key: internal[key] for key in same} == {key: public[key] for key in same}


def test_the_internal_edition_holds_all_of_it() -> None:
    inside = audit_report(whole(), "internal", inside=INSIDE)["inside"]
    assert inside["pairs"] == [asdict(pair) for pair in INSIDE.pairs]
    assert inside["to_review"] == [asdict(INSIDE.pairs[0])]
    assert inside["replicas"] == {"voxels": [7013, 7039], "coarse": []}
    assert inside["insider"]["estimate"] == 0.7357
    assert audit_report(whole(), "internal", inside=replace(INSIDE, insider=None))["inside"]["insider"] is None


def test_a_canary_bound_above_the_claim_is_named() -> None:
    assert audit_report(whole(), canaries=CANARIES)["canaries"]["above_claim"] == ["gdp"]
    assert audit_report(whole(), canaries=CANARIES | {"claim": None})["canaries"]["above_claim"] == []
    assert audit_report(whole())["canaries"] is None


def test_posterior_is_bayes_rule() -> None:
    assert posterior(1.0, 100) == pytest.approx(0.01)
    assert posterior(10.0, 100) == pytest.approx(10 * 0.01 / (10 * 0.01 + 1 * 0.99))


def test_translation_takes_both_bounds_and_finds_the_threshold() -> None:
    site = changed(answer(n=200, setting=SETTING), "release", "T3.images10", (30.0, 10.0))
    measure = next(one for one in SETTING.measures if one.id == "T3.images10")
    row = translate(Answers.of([site, replace(site, site="site-b")]), measure, 0.05)
    assert (row["n_members"], row["n_holdout"]) == (400, 200)
    assert row["tpr_high"] == pytest.approx(clopper_pearson(60, 400, 0.975)[1])
    assert row["fpr_low"] == pytest.approx(clopper_pearson(20, 200, 0.975)[0])
    people = row["people_for_threshold"]
    assert posterior(row["ratio_high"], people) <= THRESHOLD < posterior(row["ratio_high"], people - 1)


def test_without_a_false_positive_nothing_is_bounded() -> None:
    site = changed(answer(n=200, setting=SETTING), "release", "T3.images10", (30.0, 0.0))
    measure = next(one for one in SETTING.measures if one.id == "T3.images10")
    row = translate(Answers.of([site]), measure, 0.05)
    assert row["ratio_high"] is row["people_for_threshold"] is None
    assert all(cell["high"] == 1 for cell in row["posterior"])


def test_residual_risk_reads_suppressed_counts_both_ways() -> None:
    measure = next(one for one in SETTING.measures if one.id == "T11.place")

    def risk(members: float, holdout: float) -> dict[str, float]:
        site = changed(answer(n=100, setting=SETTING), "release", "T11.place", (members, holdout))
        return residual(Answers.of([site]), measure, 0.05)

    told = risk(60, 20)
    assert told["estimate"] == pytest.approx((0.6 - 0.2) / (1 - 0.2), abs=0.02)
    assert told["low"] < told["estimate"] < told["high"]
    assert risk(20, 60)["no_better_than_on_strangers"]
    hidden, least, most = risk(SUPPRESSED, 0), risk(5, 0), risk(0, 0)
    assert most["low"] < hidden["low"] < hidden["high"] < least["high"]


def test_methods_are_written_from_this_run() -> None:
    policy = replace(POLICY, tests=("T1", "T6"), tolerance_auc=0.63, control_alpha=0.02, releases=4)
    text = " ".join(audit_report(combine([answer(n=80, setting=LITTLE, audit_number=2)], policy))["methods"])
    for told in ("AUC 0.63", "judged at 0.02", "1000 simulated audits", "2 measures (T1 in voxels; T6 in voxels)",
                 "level 0.0125", "4 planned releases; this is audit 2", "site-a 80 and 80", "1 space,",
                 "labels permuted 999"):
        assert told in text
    for absent in ("DOMIAS", "embedding", "T11", "T9", "generator"):
        assert absent not in text
    whole_text = " ".join(audit_report(whole())["methods"])
    for told in ("DOMIAS", "tumour (each", "T11", "T9: the 5%", "generator whose output is 50% the remembered"):
        assert told in whole_text
