"""Our synthesis against MONAI's MAISI networks on the same grid, machine and number format: seconds and memory.

    pip install -e '.[peers]'
    python -m benchmarks.maisi [--processes N]

MAISI: the diffusion network and the autoencoder in the sizes that NVIDIA's NV-Generate-CTMR configures for rectified
flow (`configs/config_network_rflow.json`), 30 steps, without classifier-free guidance, which would double them; one
call makes one sequence. Weights are random on both sides: only the cost counts. Ours is the `paper` preset's generator,
whose call makes four co-registered sequences, on a grid that both can divide.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import torch
from monai.apps.generation.maisi.networks.autoencoderkl_maisi import AutoencoderKlMaisi
from monai.apps.generation.maisi.networks.diffusion_model_unet_maisi import DiffusionModelUNetMaisi
from monai.networks.schedulers import RFlowScheduler

from benchmarks.alone import cost_of
from benchmarks.arguments import at_least_one
from benchmarks.results import quartiles, write_result
from fl_components.contrast import VECTOR_SIZE
from fl_components.networks.generator import Generator, draw_noise
from fl_components.networks.precision import choose_precision
from fl_components.networks.slabs import images_in_slabs
from fl_components.study import PRESETS
from jobs.output import Talk

SHAPE: Final = (128, 128, 64)
STEPS: Final = 30
_LATENT: Final = 4
"""Channels of the latent, and how many voxels along an axis become one of it."""
_T1: Final = 9
"""MAISI's number of the modality."""


def ours() -> Callable[[], object]:
    """One volume of four sequences."""
    precision = choose_precision("auto")
    torch.manual_seed(0)
    network = PRESETS["paper"]["network"]
    generator = precision.place(Generator(network["generator_channels"], 16)).eval()
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(7, SHAPE, generator=rng, dtype=torch.uint8)
    vector = torch.rand(1, VECTOR_SIZE, generator=rng).to(precision.device)

    @torch.inference_mode()
    def once() -> torch.Tensor:
        with precision.autocast():
            return images_in_slabs(generator, labels, vector, draw_noise(1, 16, SHAPE, rng), precision)

    return once


def maisi(steps: int) -> Callable[[], object]:
    """One volume of one sequence."""
    precision = choose_precision("auto")
    torch.manual_seed(0)
    diffusion = precision.place(DiffusionModelUNetMaisi(
        spatial_dims=3, in_channels=_LATENT, out_channels=_LATENT, num_channels=(64, 128, 256, 512),
        attention_levels=(False, False, True, True), num_head_channels=(0, 0, 32, 32), num_res_blocks=2,
        use_flash_attention=precision.device.type == "cuda", include_spacing_input=True, num_class_embeds=128,
        resblock_updown=True, include_fc=True)).eval()
    decoder = precision.place(AutoencoderKlMaisi(
        spatial_dims=3, in_channels=1, out_channels=1, latent_channels=_LATENT, num_channels=(64, 128, 256),
        num_res_blocks=(2, 2, 2), norm_num_groups=32, norm_eps=1e-6, attention_levels=(False, False, False),
        num_splits=4, dim_split=1)).eval()
    flow = RFlowScheduler(num_train_timesteps=1000, use_discrete_timesteps=False, use_timestep_transform=True,
                          sample_method="uniform", scale=1.4)
    latent_shape = tuple(size // _LATENT for size in SHAPE)
    voxels = latent_shape[0] * latent_shape[1] * latent_shape[2]
    modality = torch.tensor([_T1], device=precision.device)
    spacing = torch.full((1, 3), 150.0, device=precision.device)

    @torch.inference_mode()
    def once() -> torch.Tensor:
        latent = precision.lay_out(torch.randn(1, _LATENT, *latent_shape))
        flow.set_timesteps(num_inference_steps=steps, input_img_size_numel=voxels)
        times = [*flow.timesteps.tolist(), 0.0]
        with precision.autocast():
            for now, after in pairwise(times):
                velocity = diffusion(latent, timesteps=torch.tensor([now], device=precision.device),
                                     class_labels=modality, spacing_tensor=spacing)
                latent, _ = flow.step(velocity.float(), now, latent, after)
            return torch.as_tensor(decoder.decode_stage_2_outputs(latent).float().cpu())

    return once


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=at_least_one, default=3,
                        help="of each, one after the other: MAISI's memory differs from process to process")
    arguments = parser.parse_args()
    talk = Talk()
    with talk.stage("Ours"):
        our = [cost_of(ours, repeats=3, warm_up=1) for _ in range(arguments.processes)]
    with talk.stage("MAISI"):
        their = [cost_of(maisi, STEPS) for _ in range(arguments.processes)]
    seconds = [quartiles([one for cost in costs for one in cost.seconds]) for costs in (our, their)]
    mib = [quartiles([cost.mib for cost in costs]) for costs in (our, their)]
    write_result("maisi", {
        "grid": "×".join(map(str, SHAPE)), "precision": choose_precision("auto").name,
        "seconds_ours": seconds[0], "mib_ours": mib[0], "seconds_maisi": seconds[1], "mib_maisi": mib[1],
        "times_faster": seconds[1]["median"] / seconds[0]["median"],
        "share_of_memory": mib[0]["median"] / mib[1]["median"],
    }, {"processes of each": arguments.processes, "calls of ours in each": 3, "calls of MAISI in each": 1,
        "steps of MAISI": STEPS})


if __name__ == "__main__":
    main()
