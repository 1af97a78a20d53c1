"""A command group that is also a command: what names none of its commands is for the default one."""

from __future__ import annotations

from typing import Any, Final

from typer.core import TyperGroup

DEFAULT: Final = "default"
"""Name under which the default command is registered, hidden; it cannot be typed."""


class GroupWithDefault(TyperGroup):
    """`audit plan` runs the command `plan`; `audit RUN …` and `audit --OPTION …` run the default one.

    An option that another command requires means that command: `audit --real …` is `audit folders --real …`. A run
    folder that has a command's name is given as `./plan`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer brings a click of its own
        """Put the name of the command that is meant first unless one or the group's help was asked for."""
        typed = [name for name in self.commands if name != DEFAULT]
        asked = args and (args[0] in typed or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if asked else [self._meant(args), *args])

    def _meant(self, args: list[str]) -> str:
        """The command that requires one of the options, else the default one."""
        given = {arg.partition("=")[0] for arg in args if arg.startswith("--")}
        for name, command in self.commands.items():
            if any(option.required and given & set(option.opts) for option in command.params):
                return name
        return DEFAULT

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401
        """The default command goes without a name, so that its usage line reads as it is typed."""
        name, command, rest = super().resolve_command(ctx, args)
        return ("" if name == DEFAULT else name), command, rest
