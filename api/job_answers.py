"""What the routes of jobs may be answered with."""

from fastapi.sse import EventSourceResponse

from api import example_answers as examples
from api.documented_answers import Answers, answer, problems
from api.documented_events import EVENTS
from api.errors import InvalidRequest, JobGoesOn, JobNotFound, RecipeUnknown, WebhookNotFound
from resources.signals import BrokerUnavailable
from studio_pipelines.contract.events import WebhookDeliveries, WebhookRedelivery
from studio_pipelines.contract.jobs import Job, JobPage, JobRetried, JobStopped
from studio_pipelines.contract.quotes import JobRecipe
from studio_pipelines.database_faults import DatabaseUnavailable

_AWAY = (BrokerUnavailable, DatabaseUnavailable)
LISTED: Answers = {
    **answer(
        200,
        "A page of jobs.",
        JobPage,
        examples={"jobs": {"jobs": list(examples.JOBS.values()), "nextCursor": None}},
    ),
    **problems(InvalidRequest, DatabaseUnavailable),
}
READ: Answers = {
    **answer(200, "The job's record, however it stands.", Job, examples=examples.JOBS),
    **problems(JobNotFound, DatabaseUnavailable),
}
FOLLOWED: Answers = {
    200: {
        "description": "The job's events, as they happen.",
        "content": {EventSourceResponse.media_type: EVENTS},
    },
    204: {"description": "The client has had the last event."},
    **problems(JobNotFound, InvalidRequest, DatabaseUnavailable),
}
RECIPE: Answers = {
    **answer(200, "The recipe.", JobRecipe, examples={"recipe": examples.RECIPE}),
    **problems(JobNotFound, RecipeUnknown, DatabaseUnavailable),
}
WEBHOOKS: Answers = {
    **answer(
        200,
        "The messages.",
        WebhookDeliveries,
        examples={"delivered": {"webhooks": [examples.DELIVERY], "nextCursor": None}},
    ),
    **problems(JobNotFound, *_AWAY),
}
REDELIVERED: Answers = {
    **answer(202, "It is on its way.", WebhookRedelivery, examples={"sent": examples.REDELIVERY}),
    **problems(JobNotFound, WebhookNotFound, *_AWAY),
}
CANCELED: Answers = {
    **answer(
        200,
        "It is stopped, or had ended already.",
        JobStopped,
        examples={
            "stopped": examples.STOPPED,
            "had ended": {**examples.STOPPED, "status": "already_finished"},
        },
    ),
    **answer(
        202,
        "It stops at its next safe point.",
        JobStopped,
        examples={"stops": {**examples.STOPPED, "status": "cancel_requested"}},
    ),
    **problems(JobNotFound, *_AWAY),
}
RETRIED: Answers = {
    **answer(
        202,
        "A new job is taken.",
        JobRetried,
        examples={"queued": examples.RETRIED},
        headers={"Location": "Path of the new job's record."},
    ),
    **problems(JobNotFound, JobGoesOn, *_AWAY),
}
FORGOTTEN: Answers = {
    204: {"description": "It is forgotten."},
    **problems(JobNotFound, JobGoesOn, DatabaseUnavailable),
}
