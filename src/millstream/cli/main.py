"""The command `millstream`: one file per command, loaded only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from millstream import __version__

COMMANDS = {
    "init": "Make an example project in a new folder.",
    "run": "Make what a file declares, train, compare and register.",
    "check": "Look for mistakes on a sample, before anything is trained.",
    "show": "What was run, what is registered, what was decided.",
    "why": "Why a step ran, or why it did not.",
    "diff": "What differs between two runs.",
    "profile": "What a step takes alone, and where its time goes.",
    "reproduce": "Make a run once more, and see that it gives the same.",
    "predict": "Answer the open rows with the champion.",
    "serve": "Answer requests over HTTP on this machine.",
    "feedback": "Tell the truth about a row, or many.",
    "monitor": "Drift and performance since the last training.",
    "maintain": "One turn of the loop: watch, retrain, judge, promote.",
    "replay": "Live the whole life again on the past.",
    "promote": "Put a version in office.",
    "rollback": "Put the version before back in office.",
    "gc": "Remove what nothing recent needs.",
    "doctor": "Look whether the store is whole, and mend it.",
}


class Commands(click.Group):
    """The commands by name; a misspelt one is answered with the nearest."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click asks for it
        """In the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"millstream.cli.{cmd_name}")  # noqa: TID251  the lazy surface of the command line
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of `--help`, without importing any command."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest command in the error."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from millstream.errors import ConfigurationError, did_you_mean

            raise ConfigurationError(f"there is no command '{args[0]}'", hint=did_you_mean(args[0], COMMANDS) or "`millstream --help` lists them")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def millstream() -> None:
    """The whole life of a model in one Python file: from raw data to a watched, retrained model."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; errors are told in at most eight lines, or as JSON, with the exit code of their kind."""
    from millstream.cli.output import report_error

    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = millstream.main(args=given, prog_name="millstream", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as finished:
        sys.exit(finished.exit_code)
    except BrokenPipeError:
        sys.exit(0)
    except (KeyboardInterrupt, click.Abort):
        from millstream.cli.output import leave_at_once

        leave_at_once()
    except Exception as error:  # noqa: BLE001  whatever it is, it is told in one place
        sys.exit(report_error(error, as_json="--json" in given))


if __name__ == "__main__":
    main()
