"""``studio run``: an operation or a chain, with the options that the studio says it has."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio_pipelines.remote import options
from studio_pipelines.remote.connection import (
    API_KEY,
    DEFAULT_URL,
    INTERRUPTED,
    OUTPUT,
    SERVER,
    WRONG_USAGE,
    faults_told,
)

if TYPE_CHECKING:
    from studio_pipelines.client import Studio
    from studio_pipelines.client.operations import Runnable
    from studio_pipelines.contract.jobs import Job

HELP = ("--help", "-h")
_OURS: Mapping[str, tuple[Any, Any]] = {
    "output": (str | None, OUTPUT),
    "no_wait": (
        bool,
        typer.Option("--no-wait", help="Only submit the job.", rich_help_panel="Command"),
    ),
    "as_json": (
        bool,
        typer.Option("--json", help="Print the job's record as JSON.", rich_help_panel="Command"),
    ),
}
_CONNECTION: Mapping[str, tuple[Any, Any]] = {
    "server": (str, SERVER),
    "api_key": (str | None, API_KEY),
}


def run(
    context: typer.Context,
    server: Annotated[str, SERVER] = DEFAULT_URL,
    api_key: Annotated[str | None, API_KEY] = None,
) -> None:
    """Run an operation or a chain on a studio, and save what it makes.

    `studio run` lists what there is; `studio run grading --help` shows an operation's options.

        studio run grading --image a.jpg --lut b.cube -o out.png
    """
    from studio_pipelines.client import Studio

    words = list(context.args)
    name = words.pop(0) if words and not words[0].startswith("-") else None
    with faults_told(), Studio(server, api_key) as studio:
        if name is None:
            _list(studio, asked=not words or words[0] in HELP)
            return
        runnable = studio.runnable(name)
        command = _command(studio, runnable)
        command(words, prog_name=f"studio run {name}")


def _list(studio: "Studio", *, asked: bool) -> None:
    from rich.console import Console

    from studio_pipelines.remote.screen import runnables_table

    if not asked:
        typer.echo("Name an operation first: studio run OPERATION --option …", err=True)
        raise typer.Exit(WRONG_USAGE)
    typer.echo(inspect.cleandoc(run.__doc__ or ""))
    console = Console()
    shown = console if console.is_terminal else Console(width=160)
    shown.print()
    shown.print(runnables_table(studio.runnables()))


def _command(studio: "Studio", runnable: "Runnable") -> Any:
    """Return the command of an operation, with an option for each field of its request."""
    known = {_parameter_name(one): one for one in options.options_of(runnable)}

    def act(**given: Any) -> None:
        ours = {name: given.pop(name) for name in (*_OURS, *_CONNECTION)}
        body = _body([(known[name], value) for name, value in given.items()])
        _act(studio, runnable, body, **{name: ours[name] for name in _OURS})

    act.__doc__ = runnable.summary
    act.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess]
        [
            *(_parameter(name, *_typed(one)) for name, one in known.items()),
            *(_parameter(name, *typed) for name, typed in {**_OURS, **_CONNECTION}.items()),
        ]
    )
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    made.command(context_settings={"help_option_names": list(HELP)})(act)
    return made


def _parameter_name(option: options.Option) -> str:
    return "field_" + "__".join(option.path)


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    default: Any = {"server": DEFAULT_URL}.get(name, False if kind is bool else None)
    annotation = Annotated[kind, option]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _typed(option: options.Option) -> tuple[Any, Any]:
    """Return an option as Typer takes it; its value is read by its schema later on."""
    from rich.markup import escape

    flag, panel = option.flag, option.panel
    told = option.help + (" May be repeated." if option.is_repeated else "")
    told = escape(told + (" [required]" if option.required else ""))
    if option.is_switch:
        return bool | None, typer.Option(
            f"{flag}/--no-{flag.removeprefix('--')}", help=told, rich_help_panel=panel
        )
    kind = list[str] | None if option.is_repeated else str | None
    return kind, typer.Option(flag, metavar=option.metavar, help=told, rich_help_panel=panel)


def _body(given: Sequence[tuple[options.Option, Any]]) -> dict[str, Any]:
    """Return the request: what was given, read by its schema, files as paths.

    Raises:
        typer.BadParameter: A value cannot be used, or a needed one is missing.
    """
    body: dict[str, Any] = {}
    for option, value in given:
        if value in (None, []):
            if option.required:
                raise typer.BadParameter(f"{option.flag} is missing.")
            continue
        options.put(body, option.path, _value(option, value))
    return body


def _value(option: options.Option, value: Any) -> Any:
    if option.is_input:
        media = [_medium(option, one) for one in ([value] if isinstance(value, str) else value)]
        return media[0] if len(media) == 1 else media
    if option.is_switch:
        return value
    try:
        return option.value(value)
    except options.NotAValue as error:
        raise typer.BadParameter(f"{option.flag}: {error}") from error


def _medium(option: options.Option, text: str) -> str | Path:
    """Return a file as its path, and what the studio itself knows as it is."""
    if text.startswith(("asset:", "http://", "https://", "data:")):
        return text
    path = Path(text)
    if not path.is_file():
        raise typer.BadParameter(f"{option.flag}: there is no file {text!r}.")
    return path


def _act(
    studio: "Studio",
    runnable: "Runnable",
    body: dict[str, Any],
    *,
    output: str | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    from rich.console import Console

    from studio_pipelines.remote.results import save
    from studio_pipelines.remote.screen import quote_view, result_view, taken_text

    if body.pop("dryRun", False):
        quote = studio.quote(runnable.name, **body)
        if as_json:
            typer.echo(quote.model_dump_json(by_alias=True))
        else:
            Console().print(quote_view(quote))
        return
    if no_wait or body.get("schedule", "now") != "now":
        job = studio.submit(runnable.name, **body)
        text = job.job_id if no_wait else taken_text(job)
        typer.echo(job.model_dump_json(by_alias=True) if as_json else text)
        return
    job = _done(studio, runnable, body)
    files = save(studio, job.data, output) if output and job.data else ()
    if as_json:
        typer.echo(job.model_dump_json(by_alias=True, exclude_unset=True))
    else:
        Console().print(result_view(job, files), soft_wrap=True)


def _done(studio: "Studio", runnable: "Runnable", body: dict[str, Any]) -> "Job":
    """Run a job to its end; whoever interrupts the command stops the job."""
    from rich.console import Console

    from studio_pipelines.remote.screen import progress_shown

    with progress_shown(Console(stderr=True), runnable.name) as tell:
        tell(0.0, "sending")
        job = studio.submit(runnable.name, **body)
        try:
            return studio.wait(job, on_progress=tell)
        except KeyboardInterrupt:
            studio.cancel(job.job_id)
            typer.echo(f"Interrupted; {job.job_id} is stopped.", err=True)
            raise typer.Exit(INTERRUPTED) from None
