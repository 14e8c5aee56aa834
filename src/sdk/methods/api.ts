/** The operations of the HTTP API, asked for without HTTP: one table of routes answers both. */
import { object, optional, string, unknown } from "valibot";
import { SmolError } from "../../errors.ts";
import { problemOf } from "../../serve/errors.ts";
import type { Route } from "../../serve/http/route.ts";
import { routes } from "../../serve/routes/index.ts";
import { read } from "../../serve/schema/read.ts";
import { answerWith } from "../answer.ts";
import type { Asked } from "../child.ts";
import { checked } from "../params.ts";

const apiParams = object({
  operation: string(),
  name: optional(string()),
  id: optional(string()),
  volume: optional(string()),
  query: optional(unknown()),
  body: optional(unknown()),
});

/** Those that answer with JSON and take nothing else. */
const operations = new Map<string, Route>(
  routes
    .filter(({ answer, body }) => "schema" in answer && body !== "bytes")
    .map((route) => [route.id, route]),
);

/** @throws SmolError `sdk.bad_request`, or what the operation fails with */
export async function callApi({ params, stream, signal, serving, owned }: Asked): Promise<unknown> {
  const { operation, name = "", id = "", volume = "", query = {}, body = {} } = checked(apiParams, params);
  const route = operations.get(operation);
  if (route === undefined)
    throw new SmolError("machine.unsupported", `this smolvm has no operation ${JSON.stringify(operation)}`);
  const answer = await route.handle({
    params: { name, id, volume, path: "" },
    query: route.query === undefined ? {} : read(route.query, query, "query"),
    body:
      route.body === undefined || route.body === "bytes"
        ? undefined
        : read(route.body.schema, body, "body", route.body.former),
    request: new Request("http://sdk/"),
    ...{ signal, serving, explain: problemOf },
    // None of these answers is a stream.
    ended: () => {},
  });
  if (operation === "deleteMachine") owned.forget(name);
  return await answerWith(stream, await answer.json());
}
