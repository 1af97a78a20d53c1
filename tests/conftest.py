"""Shared by all tests: the folder of helpers, and quiet threads."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))  # for small_run

torch.set_num_threads(1)  # tests run side by side
