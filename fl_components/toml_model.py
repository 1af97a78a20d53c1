"""Frozen settings read from TOML, with messages that name the file and the key."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from privacy_eval.errors import InputError


class Settings(BaseModel):
    """Base of every table of a settings file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SettingsFile(Settings):
    """A whole settings file."""

    @classmethod
    def parse(cls, data: dict[str, Any], origin: str) -> Self:
        """Validate a table.

        Args:
            data: the parsed TOML.
            origin: what to name in messages, usually the file's path.

        Raises:
            InputError: naming the origin, the key, what was found and what was expected.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{origin}: {_first_problem(error)}") from None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate a TOML file (see `parse`)."""
        return cls.parse(read_toml(path), str(path))

    def to_toml(self) -> str:
        """The resolved settings as TOML."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @property
    def hash(self) -> str:
        """SHA-256 of the resolved settings, as lower-case hex: independent of key order and formatting."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; an unreadable or malformed one is an `InputError` in one line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; create it or name another one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path and its permissions") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML ({error}); mend that line") from None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}' = {problem['input']!r}; check its spelling or remove it{more}"
    if problem["type"] == "missing":
        return f"key '{key}' is missing; add it{more}"
    return f"key '{key}': found {problem['input']!r}, expected: {problem['msg']}{more}"
