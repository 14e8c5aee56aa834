/** What machines have printed, what happens to them, and what they use. */
import { array, boolean, type InferOutput, number, optional, picklist, strictObject, string } from "valibot";
import {
  connectMachine,
  consoleLog,
  egressLog,
  explainPolicy,
  inspectMachine,
  learnedPolicy,
  type Machine,
  machineFigures,
  observeMachine,
  workloadLog,
} from "../../machine/index.ts";
import { Refused } from "../errors.ts";
import { type Asked, jsonRoute, MACHINE, rawRoute } from "../http/route.ts";
import { eventStream, type ServerEvent } from "../live/sse.ts";
import { withMachine } from "../machine/reach.ts";
import { count, field, queryWord } from "../schema/fields.ts";
import type { Serving } from "../serving.ts";

const tag = "watching";

const MOST_LINES = 10_000;
const MOST_EVENTS = 10_000;

/** Between two figures; the processor is watched for that long. */
const FIGURES_MS = 500;

/** Counts a stream for as long as it is there. @throws Refused `CONFLICT` */
function follow<T>(
  { followers }: Serving,
  events: AsyncGenerator<T, void, void>,
): AsyncGenerator<T, void, void> {
  const release = followers.take();
  return (async function* () {
    try {
      yield* events;
    } finally {
      release();
    }
  })();
}

/** A stream that the server's end, or the client's, ends without a word. */
async function* untilEnding<T>(
  { serving, signal }: Pick<Asked, "serving" | "signal">,
  open: (signal: AbortSignal) => AsyncIterable<T>,
): AsyncGenerator<T, void, void> {
  const either = AbortSignal.any([signal, serving.ending]);
  try {
    yield* open(either);
  } catch (error) {
    if (!either.aborted) throw error;
  }
}

const logQuery = strictObject({
  follow: field(boolean(), "Go on with what comes. Default: false."),
  tail: field(count(0, MOST_LINES), "Begin with the last so many lines."),
  source: field(
    picklist(["workload", "console"]),
    "Default: workload, the output of the machine's own command.",
  ),
  format: field(picklist(["raw", "json"]), "json: one object a line, with time and stream. Default: raw."),
});

async function* logEvents(
  asked: Asked<InferOutput<typeof logQuery>>,
): AsyncGenerator<ServerEvent, void, void> {
  const { params, query, serving } = asked;
  const name = params.name;
  const isJson = query.format === "json";
  const options = (signal: AbortSignal) => ({ tail: query.tail, follow: query.follow, signal });
  if (query.source === "console") {
    for await (const entry of untilEnding(asked, (signal) =>
      consoleLog(serving.context, name, options(signal)),
    )) {
      const { time, level, message } = entry;
      yield { data: isJson ? JSON.stringify({ time: time / 1000, level, message }) : message };
    }
    return;
  }
  for await (const entry of untilEnding(asked, (signal) =>
    workloadLog(serving.context, name, options(signal)),
  )) {
    const message = Buffer.from(entry.bytes)
      .toString()
      .replace(/\r?\n$/, "");
    yield {
      data: isJson ? JSON.stringify({ time: entry.time / 1000, stream: entry.stream, message }) : message,
    };
  }
}

async function* machineEvents(asked: Asked, machine: Machine): AsyncGenerator<ServerEvent, void, void> {
  try {
    for await (const event of untilEnding(asked, async function* (signal) {
      const observed = await observeMachine(machine, {}, signal);
      await observed.started;
      yield { type: "watching" as const };
      yield* observed.events;
    })) {
      const { type, ...rest } = event;
      yield { event: type, data: JSON.stringify(rest) };
    }
  } finally {
    machine.close();
  }
}

const egressSchema = strictObject({
  /** Seconds since the epoch. */
  timestamp: number(),
  operation: string(),
  dest: string(),
  decision: picklist(["allow", "deny"]),
  rule: string(),
  name: optional(string()),
  sent: optional(number()),
  received: optional(number()),
});

export const logRoutes = [
  rawRoute({
    ...{ method: "get", path: `${MACHINE}/logs`, id: "logs", tag, limit: "none", failures: [404, 409] },
    summary: "What a machine has printed, a line an event",
    query: logQuery,
    answer: {
      type: "text/event-stream",
      about: "Unnamed events; `error` when the log cannot be read further.",
    },
    handle: (asked) => {
      // What is not there is an answer of its own, and no stream.
      inspectMachine(asked.serving.context, asked.params.name);
      const events = logEvents(asked);
      return eventStream(asked.query.follow ? follow(asked.serving, events) : events, asked);
    },
  }),
  rawRoute({
    ...{ method: "get", path: `${MACHINE}/events`, id: "events", tag, limit: "none", failures: [404, 409] },
    summary: "What happens to a running machine, until it ends",
    description: "Events `watching` (at once), `health`, `ended`, `restarting`, `gave_up` and `started`.",
    answer: { type: "text/event-stream", about: "Named events with JSON." },
    handle: async (asked) => {
      const machine = await connectMachine(asked.serving.context, asked.params.name);
      try {
        return eventStream(follow(asked.serving, machineEvents(asked, machine)), asked);
      } catch (error) {
        machine.close();
        throw error;
      }
    },
  }),
  rawRoute({
    ...{ method: "get", path: "/api/v1/events", id: "allEvents", tag, limit: "none", failures: [409] },
    summary: "What happens to all machines",
    description:
      "`watching` comes at once and has the state of each machine; then `state` whenever one is another (a machine that is " +
      "new, too), `deleted`, and what a machine's own events are, with its name in `machine`. States are looked at " +
      "twice a second: what is shorter may not be told. `missed` has how many events a slow reader has lost.",
    answer: { type: "text/event-stream", about: "Named events with JSON." },
    handle: (asked) =>
      eventStream(
        follow(
          asked.serving,
          untilEnding(asked, (signal) => asked.serving.watch.follow(signal)),
        ),
        asked,
      ),
  }),
  jsonRoute({
    ...{
      method: "get",
      path: `${MACHINE}/egress-events`,
      id: "egressEvents",
      tag,
      limit: "server",
      failures: [404],
    },
    summary: "What a machine wanted from the network lately, and what was decided",
    query: strictObject({ limit: field(count(1, MOST_EVENTS), "Default: 200.") }),
    answer: { schema: strictObject({ events: array(egressSchema) }), about: "The oldest first." },
    handle: async ({ params, query, serving, signal }) => {
      const tail = query.limit ?? 200;
      const log = egressLog(serving.context, params.name, { tail, signal });
      const events = await Array.fromAsync(
        log,
        ({ time, operation, destination: dest, decision, rule, ...rest }) => {
          const { name, sent, received } = rest;
          return { timestamp: time / 1000, operation, dest, decision, rule, name, sent, received };
        },
      );
      return { events };
    },
  }),
  jsonRoute({
    ...{ method: "get", path: `${MACHINE}/policy/explain`, id: "explainPolicy", tag, limit: "server" },
    summary: "What a machine's policy decides about a destination",
    failures: [404],
    query: strictObject({ host: queryWord, port: field(count(1, 65_535), "Default: any.") }),
    answer: {
      about: "Each way to the destination; none for a machine without a network.",
      schema: strictObject({
        network: boolean(),
        /** The machine may know the addresses of the name; absent for an address. */
        lookup: optional(boolean()),
        flows: array(
          strictObject({
            protocol: picklist(["tcp", "udp", "icmp"]),
            port: number(),
            allow: boolean(),
            rule: string(),
            /** The name that the program gives to the server is looked at. */
            checked: boolean(),
          }),
        ),
      }),
    },
    handle: async ({ params, query, serving }) => {
      const explained = await explainPolicy(serving.context, params.name, query.host, query.port);
      if (explained === null) return { network: false, flows: [] };
      const { lookup, flows } = explained;
      return { network: true, lookup: lookup?.allow, flows: flows.map((flow) => ({ ...flow })) };
    },
  }),
  jsonRoute({
    ...{
      method: "get",
      path: `${MACHINE}/policy/learned`,
      id: "learnedPolicy",
      tag,
      limit: "server",
      failures: [404],
    },
    summary: "The narrowest lists that let through what a machine has used",
    answer: {
      schema: strictObject({
        allowedHosts: array(string()),
        allowedCidrs: array(string()),
        unanswered: array(string()),
      }),
      about: "Rules, and what it tried without finding anybody.",
    },
    handle: async ({ params, serving }) => {
      const { hosts, ranges, unanswered } = await learnedPolicy(serving.context, params.name);
      return { allowedHosts: [...hosts], allowedCidrs: [...ranges], unanswered: [...unanswered] };
    },
  }),
  jsonRoute({
    ...{ method: "get", path: `${MACHINE}/stats`, id: "stats", tag, limit: "server", failures: [404, 409] },
    summary: "What a running machine uses",
    answer: {
      about: "Measured over half a second.",
      schema: strictObject({
        memoryBytes: number(),
        availableBytes: number(),
        hostBytes: optional(number()),
        /** Share of one processor. */
        processors: optional(number()),
        processes: number(),
      }),
    },
    handle: ({ params, serving, signal }) =>
      withMachine(serving, params.name, signal, async (machine) => {
        for await (const figures of machineFigures(serving.context, machine, FIGURES_MS)) {
          const { memoryBytes, availableBytes, hostBytes, processors, root } = figures;
          // The first ones tell nothing about the processor.
          if (processors === undefined) continue;
          return { memoryBytes, availableBytes, hostBytes, processors, processes: root.processes };
        }
        throw new Refused("CONFLICT", "the machine has ended");
      }),
  }),
];
