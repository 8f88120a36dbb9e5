// Grade a picture without waiting, look at the job until it has ended, and tell what went wrong:
// whatever a client needs, typed by the OpenAPI document alone.
import createClient from "openapi-fetch";
import type { components, paths } from "./studio";

type Job = components["schemas"]["Job"];
type Problem = components["schemas"]["Problem"];
type JobEvent = components["schemas"]["JobEvent"];
type Ended = components["schemas"]["JobEndedMessage"];

const studio = createClient<paths>({ baseUrl: "http://127.0.0.1:8000" });

function refuse(problem: Problem): never {
  const where: string = problem.error.field ?? "the request";
  throw new Error(`${problem.status} ${problem.error.code} in ${where}: ${problem.error.hint}`);
}

async function grade(image: string): Promise<string> {
  const { data, error, response } = await studio.POST("/api/grading/apply", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { image, exposure: 0.5, intensity: 0.9, format: "webp", async: true, priority: 9 },
  });
  if (error) refuse(error);
  if ("quote" in data) throw new Error(`about ${data.quote.estimatedSeconds} s`);
  return response.headers.get("Location") ?? data.jobId;
}

async function ended(jobId: string): Promise<Job> {
  for (;;) {
    const { data, error } = await studio.GET("/api/jobs/{job_id}", {
      params: { path: { job_id: jobId }, header: { Prefer: "wait=60" } },
    });
    if (error) refuse(error);
    if (data.status === "completed" || data.status === "failed") return data;
    console.log(data.progress.percent, data.progress.stage, data.queuePosition);
  }
}

function heard(event: JobEvent): number | string {
  if (event.event === "progress") return event.data.percent;
  if (event.event === "metric") return event.data.operation;
  if (event.event === "log") return event.data.message;
  return event.data.status;
}

function received(message: Ended): string | undefined {
  return message.data.error?.message;
}

const job = await ended(await grade("asset:ast_0123456789abcdef01234567"));
const passed: boolean | undefined = job.data?.verification.passed;
const url: string | undefined = job.data?.assets["image"]?.url;
const { data: page } = await studio.GET("/api/jobs", {
  params: { query: { status: ["failed"], limit: 5 } },
});
const cursor: string | null | undefined = page?.nextCursor;
await studio.POST("/api/jobs/{job_id}/cancel", { params: { path: { job_id: job.jobId } } });
export { cursor, heard, passed, received, url };
