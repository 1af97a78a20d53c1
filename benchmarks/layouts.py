"""Which figures of which result make which table."""

from __future__ import annotations

from typing import Final

from benchmarks.layout import Columns, Layout, Rows
from benchmarks.layouts_private import PRIVATE_TABLES
from fl_components.vocabulary import SEQUENCES

_QUALITY: Final = {"l1": "L1 (0 is best)", "tissue_error": "tissue error (0 is best)",
                   "high_frequency_share": "high-frequency share (1 is best)",
                   "texture_share": "texture share (1 is best)"}
_PAINTERS: Final = Rows("images from", ("ours, federated", "ours, central", "no contrast input, central",
                                        "lookup table", "untrained"))
_GAP: Final = {"hospitals' members": "Dice, trained on hospitals",
               "public simulator": "Dice, trained on the public simulator", "loss": "share lost"}
_MEAN: Final = "Mean over subjects (95 % interval)"
_MEDIAN: Final = "Median of repeats (quartiles)"

_RULES: Final = Columns({rule: rule for rule in (
    "mean, nothing checked", "mean", "mean, clipped", "median", "trimmed mean")})
_POISONS: Final = Rows("the poisoned site sends", (
    "none", "NaN", "×1000", "sign flip", "free rider", "largest admitted, flipped"))

_FROM_UPDATES: Final = ("final generator", "last local model", "drop of error", "drop against other sites", "alignment")
_INVERTED: Final = ("one gradient", "one step, noise known", "one step", "one step, crafted weights", "a round",
                    "another's step")

_REGIONS: Final = ("whole tumour", "core", "enhancing")
_TRAINING: Final = {"images": "synthetic images from", "set": "trained on", "segmenter": "segmenter",
                    "augmentation": "augmentation"}
_DIFFERENCES: Final = {f"difference, {region}": f"− real, {region}" for region in _REGIONS}
_DICE: Final = {region: f"Dice, {region}" for region in _REGIONS}
_SEEDS: Final = {"seeds": "seeds", "between seeds": "SD between seeds"}


def _utility(result: str, share: bool = True) -> dict[str, Layout]:
    """The tables of the augmentation table, quick or whole.

    `share`: whether the result has each row's share of real; one taken before there were shares has not.
    """
    dice = {**_DICE, **({"share of real": "÷ real, mean of the regions"} if share else {}), **_DIFFERENCES}
    compared = "differences and shares" if share else "differences"
    mean_sd = (f"Mean/SD over the test subjects of the study's sites; {compared} with paired 95 % intervals over them; "
               "SD between seeds is of the mean of the regions")
    return {
        f"{result}_sets": Layout(result, ("sets", Rows(), Columns(
            {**_TRAINING, **_SEEDS, **dice})), mean_sd),
        f"{result}_distances": Layout(result, ("distances", Rows(), Columns(
            {**_TRAINING, **{region: f"HD95, {region}, mm" for region in _REGIONS}})),
            "Median (mean); a region of which nothing was found counts 373 mm"),
        f"{result}_images": Layout(result, ("images", Rows(), Columns(
            {"images": "synthetic images from", **_SEEDS, **dice})),
            f"SegResNet, usual augmentation, trained on synthetic only. {mean_sd}"),
        f"{result}_sites": Layout(result, ("sites", Rows(), Columns(
            {"site": "site", "n": "n", "set": "trained on", **_DICE})),
            f"SegResNet, usual augmentation, the release. {_MEAN}"),
        f"{result}_trained": Layout(result, ("trained", Rows(), Columns(
            {"trained": "trained", **_TRAINING, **_DICE, **_DIFFERENCES})),
            "Central and alone: mean/SD, differences to central on real. Federated, by `fedsynth evaluate`: mean (95 % "
            "interval), differences to federated on real"),
        f"{result}_goals": Layout(result, ("goals", Rows(), Columns(
            {"goal": "goal", "figure": "figure", "met": "met"})), "Figures with 95 % intervals"),
        f"{result}_paper": Layout(result, ("paper", Rows(), Columns({
            "segmenter": "segmenter", "real": "real", "real + synthetic": "real + synthetic",
            "synthetic only": "synthetic only",
            "synthetic only, then 10 % real": "synthetic only, fine-tuned on 10 % real"})),
            "Shin et al. 2018, Table 1, Dice of the whole tumour, mean/SD: of BRATS 2015, other data than ours, and "
            "recalled, not read again; the rest of this line is about our own measurement")}


def _worth_leakage(result: str) -> dict[str, Layout]:
    """The tables of worth and leakage, quick or whole."""
    cell = {"factor": "varied", "value": "to"}
    return {
        result: Layout(result, ("cells", Rows(), Columns({
            **cell, "mean": "Dice, mean of three regions", "− recipe": "− the recipe's", "texture": "texture share (1)",
            "T4": "T4, AUC", "T1": "T1, AUC", "members": "members", "n_holdout": "holdout"})),
            "SegResNet trained on the cell's images alone. Dice: mean over test subjects (95 % bootstrap interval "
            "within sites, differences paired); texture: over holdout subjects, 0 for the lookup table; AUC (95 % "
            "interval), .5 is chance; one training of each generator: what another seed gives is in no interval"),
        f"{result}_cost": Layout(result, ("cells", Rows(), Columns({
            **cell, "steps": "GAN steps", **_DICE, "seconds_training": "training, s",
            "seconds_all": "training and measuring, s"})), f"Processor seconds of one core. Dice: {_MEAN}")}


_DIGITS: Final = {"fbb": "T1", "calibrated": "T2", "TPR@1 %": "T3, TPR at 1 %", "DOMIAS": "DOMIAS", "Z_U": "Z_U",
                  "NNAA": "NNAA", "DCR": "DCR", "unauthentic": "unauthentic", "copied M": "copied, members",
                  "copied H": "copied, holdout"}
_SEQUENCES: Final = Rows("sequences", (
    "all four", "T1, T2, FLAIR", "T1ce, T2, FLAIR", "T1, T1ce, T2", "T1, FLAIR", "T1 alone", "T1ce alone", "T2 alone",
    "FLAIR alone"))
_AUDITED: Final = Rows("patients", ("leaky", "clean"))


def _control(name: str, columns: dict[str, str], note: str) -> Layout:
    """The measured table of a control."""
    return Layout("controls", (name, "rows", Rows(), Columns(columns)), note)


_AFTER_A_FAULT: Final = {
    "fault": "fault", "moment": "moment", "completed": "completed", "without": "rounds without the site",
    "taken_back": "taken back", "sent_again": "rounds sent again", "ledgers": "ledgers", "files": "files",
    "processes": "processes left", "generator": "generator", "next": "another training after it"}
_UNTIL_THE_NEXT_ROUND: Final = {
    "fault": "fault", "moment": "moment", "recovery_s": "until the next round is done, s",
    "plain_s": "the same without fault, s", "jobs": "NVFlare's jobs"}

_IMAGES: Final = Rows("images", (
    "our release", "publicly trained generator", "public simulator", "real, others", "blurred", "mode-collapsed",
    "wrong contrast", "lookup table", "tumours pasted"))

TABLES: Final[dict[str, Layout]] = {
    "gan_step": Layout("gan_step", ("steps", Rows(), Columns({
        "grid": "grid", "threads": "threads", "seconds_float32": "plain float32, s", "seconds_ours": "ours, s",
        "times_faster": "times faster", "augmentation_share": "augmentation's share"})), _MEDIAN),
    "sizes_step": Layout("sizes", ("sizes", Rows(), Columns({
        "preset": "preset", "grid": "grid", "patch": "a step is on", "seconds_step": "a step, s",
        "mib_step": "memory, MiB"})), _MEDIAN),
    "sizes_volume": Layout("sizes", ("sizes", Rows(), Columns({
        "preset": "preset", "seconds_sampling": "sampling, s", "mib_sampling": "MiB",
        "seconds_rendering": "rendering, s", "mib_rendering": "MiB in slabs", "mib_whole": "MiB, the whole at once",
        "seconds_writing": "writing, s", "mib_writing": "MiB of writing"})), _MEDIAN),
    "streaming": Layout("streaming", ("lengths", Rows(), Columns({
        "volumes": "volumes", "seconds_volume": "s a volume", "peak_gib": "peak memory, GiB",
        "mib_volume": "MiB a volume on disk"})), "One run each, sampled once a second"),
    "streaming_again": Layout("streaming", (Columns({
        "share_when_interrupted": "volumes there when it was interrupted, share", "seconds_again": "run again, s",
        "same_release": "the same release, byte for byte"}),), "One run"),
    "maisi": Layout("maisi", (Columns({
        "grid": "grid", "precision": "number format", "seconds_ours": "ours, four sequences, s",
        "mib_ours": "ours, MiB",
        "seconds_maisi": "MAISI, one sequence, s", "mib_maisi": "MAISI, MiB", "times_faster": "MAISI ÷ ours, seconds",
        "share_of_memory": "ours ÷ MAISI, memory"}),), _MEDIAN),
    "federation": Layout("federation", (Columns({
        "seconds_federated": "federated, s", "seconds_central": "central, s",
        "times_central": "federated ÷ central",
        "seconds_nvflare_start": "of it NVFlare's start, s", "seconds_nvflare_stop": "of it NVFlare's stop, s",
        "times_central_net": "federated ÷ central without start and stop"}),), _MEDIAN),
    "poc": Layout("poc", (Columns({
        "seconds_up": "until all sites are connected, s", "seconds_job": "from submission to a site's first step, s",
        "seconds_stop": "until every process is gone, s", "mib_server": "idle server, MiB",
        "mib_site": "idle site, MiB", "bytes_update": "an update, bytes",
        "bytes_wire": "all that left a site's job, bytes a round"}),), _MEDIAN),
    "secure_aggregation": Layout("secure_aggregation", ("rounds", Rows(), Columns({
        "model": "generator", "values": "values", "updates": "updates", "bytes": "bytes a round and site",
        "seconds_site": "at a site, s", "seconds_server": "at the server, s", "largest_error": "largest error",
        "typical_error": "typical error"})), _MEDIAN),
    "homomorphic": Layout("homomorphic", ("cost", Rows(), Columns({
        "model": "generator", "values": "values", "bytes_plain": "plain bytes",
        "bytes_ciphertexts": "ciphertexts, bytes",
        "bytes_encrypted": "as NVFlare sends them, bytes", "times_plain": "times plain",
        "seconds_encrypt": "encrypting at a site, s", "seconds_sum": "summing at the server, s",
        "seconds_decrypt": "decrypting at a site, s"})), _MEDIAN),
    "homomorphic_oracle": Layout("homomorphic", ("oracle", Columns({
        "server_has_a_secret_key": "the server has a secret key",
        "largest_value_of_the_update": "largest value of east's update",
        "largest_error_of_what_west_decrypts": "largest error of what west decrypts of it"})), "One run"),
    "distances": Layout("distances", ("distances", Rows(), Columns({
        "synthetic": "synthetic images", "seconds_product": "one product, s", "seconds_ours": "ours, s",
        "times_product": "ours ÷ product", "times_first": "ours ÷ ours at the first row",
        "seconds_sklearn": "scikit-learn, s", "seconds_loop": "NumPy loop, s"})),
        _MEDIAN),
    "distances_memory": Layout("distances", ("memory", Rows(), Columns({
        "chunk_mib": "chunk, MiB", "synthetic": "synthetic images",
        "peak_mib_single": "peak beside float32 vectors, MiB", "peak_mib_half": "peak beside float16 vectors, MiB"})),
        "One run, allocations traced"),
    "distances_spaces": Layout("distances", ("spaces", Rows(), Columns({
        "way": "space or registration", "ms_per_image": "an image, ms"})), _MEDIAN),
    "demo_cost": Layout("demo_cost", ("stages", Rows(), Columns({
        "stage": "stage", "seconds": "seconds", "peak_gib": "peak memory, GiB"})), "One run, sampled once a second"),
    "quality": Layout("quality", ("sites", "all", _PAINTERS, Columns(_QUALITY), "mean"), f"{_MEAN}, all sites"),
    "quality_sites": Layout("quality", ("sites", Rows("site"), _PAINTERS, Columns(_QUALITY), "mean"), _MEAN),
    "faults": Layout("faults", ("rows", Rows(), Columns(_AFTER_A_FAULT)), "One run each"),
    "faults_times": Layout("faults", ("rows", Rows(), Columns(_UNTIL_THE_NEXT_ROUND)), "One run each"),
    "faults_sim": Layout("faults_sim", ("rows", Rows(), Columns({**_AFTER_A_FAULT, **_UNTIL_THE_NEXT_ROUND})),
                         "One run each"),
    **{f"quality_{figure}": Layout("quality", (
        "sites", Rows("site"), _PAINTERS, figure, Columns({sequence: sequence for sequence in SEQUENCES})),
        f"{heading[0].upper()}{heading[1:]}. {_MEAN}") for figure, heading in _QUALITY.items()},
    "simulator_gap": Layout("simulator_gap", ("sites", "all", Rows("region"), Columns(_GAP)), f"{_MEAN}, all sites"),
    "simulator_gap_sites": Layout("simulator_gap", ("sites", Rows("site"), Rows("region"), Columns(_GAP)), _MEAN),
    "poison": Layout("poison", ("error", _POISONS, _RULES),
                     "Tissue error on test subjects of all sites, 0 is best. Mean over subjects (95 % interval)"),
    "poison_rejected": Layout("poison", ("rejected", _POISONS, _RULES), "Updates rejected in all rounds"),
    "guard_cost": Layout("guard_cost", ("ledgers", Rows(), Columns({
        "entries": "entries in the ledger", "received weights": "received weights, s",
        "executor's guard": "executor's guard, s", "site filter": "site filter, s", "wire guard": "wire guard, s",
        "seconds_all": "all, s", "share": "share of a round"})), _MEDIAN),
    "updates": Layout("updates", ("recipes", Rows("augmentation", ("the study's", "no augmentation")),
                                  Rows("the server scores by", _FROM_UPDATES), Columns({
        "": "AUC", "n_members": "members", "n_holdout": "holdout", "p_value": "p"})),
        "AUC (95 % interval), one-sided p"),
    "inversion": Layout("inversion", ("ways", Rows("the server has", _INVERTED), Columns({"": "correlation"})),
                        "Correlation with the true residual, 1 is a copy. Mean over subjects (95 % interval)"),
    "embedding": Layout("embedding", ("degradations", Rows("copy"), Rows("space", ("embedding", "voxels", "coarse")),
                                      Columns({"top1": "top-1", "auc": "AUC"})),
                        "Top-1 (Wilson's 95 % interval), AUC same against other (95 % bootstrap interval)"),
    "labeller": Layout("labeller", ("sequences", _SEQUENCES, Rows("labelled by"),
                                    Columns({"CSF": "CSF", "GM": "grey matter", "WM": "white matter",
                                             "mean": "mean of the three"})), f"Dice. {_MEAN}"),
    "labeller_tumour": Layout("labeller", ("tumours", _SEQUENCES, Columns({
        "whole tumour": "whole tumour", "core": "core", "enhancing": "enhancing"})),
        f"Dice where no mask is given, of those who have the part. {_MEAN}"),
    "labeller_real": Layout("labeller", ("real", Rows("labelled by"), Columns({
        "CSF": "CSF", "GM": "grey matter", "WM": "white matter"})), "Shares of the brain outside the tumour"),
    "labeller_real_tumour": Layout("labeller", ("real_tumour", _SEQUENCES, Columns({
        "whole tumour": "whole tumour"})), "Dice with the given mask"),
    "labeller_time": Layout("labeller", ("milliseconds", Rows("labelled by"), Columns({
        "": "a scan, processor ms"})), _MEDIAN),
    "sampler": Layout("sampler", ("measures", Rows("measure"), Columns({
        "truth": "patients' truth", "labelled": "as labelled at sites", "sampled": "sampled",
        "again": "sampled, scanned and labelled", "auc_truth": "AUC, truth", "auc_labelled": "AUC, labelled",
        "auc_again": "AUC, both labelled"})),
        "Mean ± standard deviation; AUC (95 % interval), .5 is alike"),
    "sampler_seconds": Layout("sampler", (Columns({"seconds": "an anatomy, processor seconds"}),), _MEDIAN),
    "realism": Layout("realism", ("table", _IMAGES, Columns({
        "rim.auc": "rim AUC (.5)", "profile": "profile (0)", "frechet": "Fréchet (0)", "mmd": "MMD × 1000 (0)",
        "ms_ssim_synthetic": "MS-SSIM of its pairs", "ms_ssim_real": "of real pairs", "histogram": "histogram (0)",
        "spectrum": "spectrum (0)", "volume.auc": "volume AUC (.5)"})),
        "Means over sequences, stratified over sites (95 % interval over subjects); ideal values in brackets"),
    "realism_sites": Layout("realism", (
        "sites", Rows("images", ("our release", "real, others")), Rows("site"),
        Columns({"rim.auc": "rim AUC", "volume.auc": "volume AUC"})), "AUC (95 % interval over subjects)"),
    "edits": Layout("edits", ("edits", Rows(), Columns({
        "edit": "edit", "anatomies": "anatomies", "made": "made", "refused": "refused",
        "volume_error_ml": "volume asked − made, ml", "missed_mm": "place missed by, mm",
        "changed_beyond_reach": "labels changed beyond reach", "ventricles": "ventricles after ÷ before",
        "plausible": "plausible", "seconds": "s"})), _MEAN),
    "edits_restoring": Layout("edits", ("restoring", Columns({
        "below": "as before the tumour, below it", "around": "as before, around it",
        "around_left_alone": "as before, around it, push not undone", "push_error": "error of the push",
        "push_error_mean": "error of the mean push"})), _MEAN),
    "edits_rendered": Layout("edits", ("rendered", Rows(), Columns({
        "edit": "edit", "changed": "changed beyond reach"})), _MEAN),
    **_utility("utility"),
    **_utility("utility_quick"),
    **_utility("utility_private_quick", share=False),
    **_worth_leakage("worth_leakage"),
    **_worth_leakage("worth_leakage_quick"),
    **PRIVATE_TABLES,
    "membership": Layout("membership", (Rows("generator", ("demo", "memorising")), Rows("attack"), Columns({
        "": "AUC", "n_members": "members", "n_holdout": "holdout", "p_value": "p"})),
        "AUC (95 % interval), one-sided p"),
    "controls_images": Layout("controls_images", ("summary", _AUDITED, Columns({
        "seeds": "seeds", "leak": "LEAK", "void": "VOID", "T4.exact": "T4, exact contrast, AUC",
        "T4.site": "T4, site's mean contrast, AUC", "T1.voxels": "T1, AUC", "seconds": "a seed, processor s"})),
        "Lowest and highest AUC over the seeds; seconds, the median, are for training and both audits"),
    "controls_images_seeds": Layout("controls_images", ("audits", _AUDITED, Rows(), Columns({
        "seed": "seed", "T4.exact": "T4, exact contrast", "T4.site": "T4, site's mean contrast", "T1.voxels": "T1",
        "adjusted_p": "T4's p after Holm", "verdict": "verdict", "caught": "rejected by"})),
        "AUC (the audit's one-sided 95 % bounds)"),
    "shadow": Layout("shadow", (
        "regimes", Rows("regime", ("memorising", "recipe")), Rows("score", ("T4", "T1")), Rows(), Columns({
        "attack": "attack", "auc": "AUC", "difference": "AUC − plain", "tpr": "TPR at ≤ 10 % FPR",
        "tpr_first": "the same, first target alone"})),
        "Means over targets (95 % bootstrap over patients); the first target's TPR with Clopper-Pearson's interval"),
    "controls_mean_release": _control("mean_release", {
        "members": "members", "dimensions": "dimensions", "noise": "SD of noise", "AUC": "AUC",
        "AUC by the formula": "closed form", "AUC expected": "expected"}, "Means over 200 releases each"),
    "controls_gaussian_tradeoff": _control("gaussian_tradeoff", {
        "mu": "μ", **{f"{key}{end}": f"{key}{', closed form' if end else ''}" for key in (
            "AUC", "TPR at 10%", "TPR at 1%", "advantage") for end in ("", " expected")}},
        "100,000 scores a side"),
    "controls_bie_accounting": _control("bie_accounting", {
        "batch": "batch", "sigma": "σ", "steps": "steps", "RDP, Opacus": "ε, RDP, Opacus",
        "RDP, dp-accounting": "ε, RDP, dp-accounting", "RDP expected": "expected",
        "PLD, dp-accounting": "ε, PLD, dp-accounting", "PLD expected": "expected"},
        "δ = 1e-5; nothing is random"),
    "controls_broken_dp": _control("broken_dp", {
        "claim": "claimed ε", **{f"noise × {share}": f"{share} of the noise" for share in ("1", "0.5", "0.25", "0.1")}},
        "Share of 400 simulated runs of 400 canaries in which the GDP bound exceeds the claim (one-sided 95 %)"),
    "controls_moons": _control("moons", {
        "kernel width": "kernel width", "C_T": "C_T", "SD": "its SD", "C_T expected": "C_T expected", "Z_U": "Z_U",
        "Z_U expected": "Z_U expected"}, "Means over 10 seeds of 2,000 members, 1,000 holdout, 1,000 released points"),
    "controls_authenticity": _control("authenticity", {
        "release": "release", "authenticity": "authenticity", "change with order": "largest change with the order"},
        "Means over 20 seeds, five orders of the rows each"),
    "controls_null_calibration": _control("null_calibration", {
        "setting": "setting", "test": "test", "rejected": "rejected at .05", "low": "from", "high": "to"},
        "1,000 draws of 40 + 40 exchangeable patients, or two sites of 50; 99.9 % Clopper-Pearson intervals"),
    "controls_digits": _control("digits", {"generator": "release", **_DIGITS, "caught by": "caught by"},
                                "Means over 20 seeds, 449 members and 449 holdout digits; caught: median p ≤ .05"),
    "controls_digits_expected": _control("digits", {
        "generator": "release", **{f"{key} expected": heading for key, heading in _DIGITS.items()}},
        "Expected: means over 20 seeds of another program"),
}
"""By the name in `<!-- table:NAME -->`."""
