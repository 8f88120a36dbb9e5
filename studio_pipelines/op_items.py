"""Calling an op's function: once, or for each item of a list, whose faults are then its own.

Each item of a list is recorded as an observation as soon as it has ended, so that the UI shows it
at once, and a resumed run does not do it again.
"""

import inspect
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.progress import Progress
from studio_pipelines.errors import StudioError
from studio_pipelines.op_inputs import Item
from studio_pipelines.op_records import ItemOutcome, item_observation, recorded_items
from studio_pipelines.op_surroundings import failure, nothing_left_of_failures, problem_here
from studio_pipelines.outcome import UNEXPECTED

if TYPE_CHECKING:
    from studio_pipelines.operation import OperationResult


@dataclass(frozen=True)
class Call:
    """An op's function, with what each of its calls is given.

    Attributes:
        function: ``(context, params, <inputs>, <resources>)``.
        context: Dagster's.
        params: The checked parameters.
        resources: By the names of the function's parameters.
    """

    function: Callable[..., "OperationResult"]
    context: dg.OpExecutionContext
    params: Any
    resources: Mapping[str, Any]

    def with_shared(self, prepare: Callable[..., Any] | None, items: Sequence[Item]) -> "Call":
        """Return the call with what its items have in common as the function's ``shared``."""
        if prepare is None:
            return self
        wanted = inspect.signature(prepare).parameters
        usable = [item.inputs for item in items if item.problem is None]
        known = {**(usable[0] if usable else {}), **self.resources}
        given = {name: one for name, one in known.items() if name in wanted}
        mains = [next(iter(inputs.values())) for inputs in usable]
        shared = prepare(self.context, self.params, mains, **given)
        return replace(self, resources={**self.resources, "shared": shared})

    def once(self, item: Item) -> ItemOutcome:
        """Do one item; its faults are raised, and leave nothing in the store."""
        if item.problem is not None:
            raise failure(item.problem)
        started_s = time.monotonic()
        with nothing_left_of_failures(self.resources):
            result = self.function(self.context, self.params, **item.inputs, **self.resources)
        return ItemOutcome.of_result(result, round(1000 * (time.monotonic() - started_s), 1))

    def each(
        self, items: Sequence[Item]
    ) -> Generator[dg.AssetObservation, None, list[ItemOutcome]]:
        """Do a list; yield an observation for each item, and return how all ended.

        Raises:
            dg.Failure: None of them could be done.
        """
        done = recorded_items(self.context, self.resources["artifacts"])
        if done:
            self.context.log.info(f"{len(done)} items were done before the worker died.")
        for number, item in enumerate(items):
            if number in done:
                continue
            with self._progress_of(number, len(items)):
                done[number] = self._outcome(item, number)
            yield item_observation(self.context, number, len(items), done[number])
        outcomes = [done[number] for number in range(len(items))]
        if all(outcome.problem for outcome in outcomes):
            raise none_done(outcomes)
        return outcomes

    def _progress_of(self, number: int, of: int) -> AbstractContextManager[None]:
        for resource in self.resources.values():
            if isinstance(resource, Progress):
                return resource.item(number, of)
        return nullcontext()

    def _outcome(self, item: Item, number: int) -> ItemOutcome:
        if item.problem is not None:
            return ItemOutcome(problem=item.problem)
        try:
            return self.once(item)
        except StudioError as error:
            if not error.is_of_one_item:
                raise
            return ItemOutcome(problem=problem_here(self.context, item.inputs, error))
        except dg.RetryRequested:
            raise
        except Exception:
            self.context.log.exception(f"Item {number + 1} failed unexpectedly.")
            return ItemOutcome(problem=UNEXPECTED)


def none_done(outcomes: Sequence[ItemOutcome]) -> dg.Failure:
    """Return the failure of a list of which every item failed: that of the first item."""
    first = outcomes[0].problem or UNEXPECTED
    if len(outcomes) == 1:
        return failure(first)
    message = f"None of the {len(outcomes)} items could be done. The first: {first['message']}"
    return failure({**first, "message": message})
