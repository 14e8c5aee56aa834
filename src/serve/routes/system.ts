/** How the server is. */
import { literal, number, optional, strictObject, string } from "valibot";
import { hasProcess, listMachines } from "../../machine/index.ts";
import { version } from "../../version.ts";
import { Refused } from "../errors.ts";
import { jsonRoute, rawRoute } from "../http/route.ts";
import type { Serving } from "../serving.ts";

const tag = "system";

function counted({ context }: Serving) {
  const machines = listMachines(context);
  return { total: machines.length, running: machines.filter(({ status }) => hasProcess(status)).length };
}

export const systemRoutes = [
  jsonRoute({
    ...{ method: "get", path: "/health", id: "health", tag, limit: "server", open: true },
    summary: "Whether the server answers, and what it knows",
    answer: {
      about: "It does.",
      schema: strictObject({
        status: literal("ok"),
        version: string(),
        machines: optional(strictObject({ total: number(), running: number() })),
        uptime_seconds: number(),
      }),
    },
    handle: ({ serving }) => ({
      status: "ok" as const,
      version,
      machines: counted(serving),
      uptime_seconds: Math.floor((Date.now() - serving.startedAt) / 1000),
    }),
  }),
  jsonRoute({
    ...{ method: "get", path: "/readyz", id: "ready", tag, limit: "server", open: true, failures: [503] },
    summary: "Whether the server takes work",
    answer: { about: "It does.", schema: strictObject({ status: literal("ready") }) },
    handle: ({ serving }) => {
      if (serving.ending.aborted) throw new Refused("UNAVAILABLE", "the server is ending");
      counted(serving);
      return { status: "ready" as const };
    },
  }),
  rawRoute({
    ...{ method: "get", path: "/metrics", id: "metrics", tag, limit: "server" },
    summary: "What the server has done, for Prometheus",
    answer: { type: "text/plain", about: "Counters, in the text format 0.0.4." },
    handle: ({ serving }) =>
      new Response(serving.metrics.text(counted(serving)), {
        headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      }),
  }),
];
