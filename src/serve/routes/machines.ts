/** Machines: made, listed, started, stopped, changed, deleted. */
import { array, boolean, optional, picklist, strictObject, string } from "valibot";
import {
  cloneMachine,
  deleteMachine,
  inspectMachine,
  listMachines,
  type MachineFilter,
  matchesFilters,
  resizeMachine,
  stopMachine,
  updateMachine,
  waitForStatus,
} from "../../machine/index.ts";
import { specSchema } from "../../machine/model/spec.ts";
import { machineStatuses } from "../../machine/model/status.ts";
import { parseHostRule, parseRangeRule } from "../../net/policy/index.ts";
import { Refused } from "../errors.ts";
import { jsonRoute, MACHINE } from "../http/route.ts";
import { ALLOWED, createAsked } from "../machine/create.ts";
import { layerOf, portOf, rulesOf } from "../machine/layer.ts";
import { start } from "../machine/reach.ts";
import { field, MAX_WAIT_SECONDS, machineName, milliseconds, queryWord, seconds } from "../schema/fields.ts";
import { machineInfo, machineInfoSchema } from "../schema/machine-info.ts";
import { createSchema, FORMER, updateSchema } from "../schema/machine-request.ts";
import { AUTH_ABOUT, credentialsOf, registryAuth } from "../schema/registry-auth.ts";
import type { Serving } from "../serving.ts";
import { TimeLimit } from "../time-limit.ts";

const tag = "machines";
const one = { schema: machineInfoSchema, about: "The machine as it is now." };

const startBody = {
  schema: strictObject({ registryAuth: field(registryAuth, AUTH_ABOUT) }),
  optional: true,
} as const;

const infoOf = ({ context }: Serving, name: string) => machineInfo(inspectMachine(context, name));

export const machineRoutes = [
  jsonRoute({
    ...{ method: "post", path: "/api/v1/machines", id: "createMachine", tag, limit: "server" },
    gives: { name: "/name" },
    summary: "Make a machine; it does not run yet",
    description:
      "Nothing is booted, and nothing downloaded but the pack that `registryRef` or `image` names. What a pack says about the machine, the request's own fields win over. `mem`, `memory`, `storage`, `overlay` and `net` are accepted for " +
      "`memoryMb`, `storageGb`, `overlayGb` and `network`.",
    failures: [403, 404, 409, 502],
    body: { schema: createSchema, former: FORMER },
    answer: one,
    handle: async ({ body, serving, signal }) =>
      infoOf(serving, (await createAsked(serving, body, signal)).record.name),
  }),
  jsonRoute({
    ...{ method: "get", path: "/api/v1/machines", id: "listMachines", tag, limit: "server" },
    summary: "List machines by name",
    query: strictObject({
      state: field(array(picklist(machineStatuses)), "Only those in one of these states."),
      label: field(array(queryWord), "Only those with all of these labels: NAME or NAME=VALUE."),
    }),
    answer: { schema: strictObject({ machines: array(machineInfoSchema) }), about: "All that fit." },
    handle: ({ query, serving }) => {
      const filters: MachineFilter[] = [
        ...(query.state ?? []).map((state) => ({ kind: "state" as const, state })),
        ...(query.label ?? []).map(labelFilter),
      ];
      const machines = listMachines(serving.context).filter((machine) => matchesFilters(machine, filters));
      return { machines: machines.map(machineInfo) };
    },
  }),
  jsonRoute({
    ...{ method: "get", path: MACHINE, id: "getMachine", tag, limit: "server", failures: [404] },
    summary: "Tell about a machine",
    answer: one,
    handle: ({ params, serving }) => infoOf(serving, params.name),
  }),
  jsonRoute({
    ...{
      method: "patch",
      path: MACHINE,
      id: "updateMachine",
      tag,
      limit: "server",
      failures: [403, 404, 409],
    },
    summary: "Change a machine; lists and ports also while it runs",
    description:
      "Lists are added to; `remove` takes away first. Everything else needs a machine that does not run.",
    body: { schema: updateSchema, former: FORMER },
    answer: one,
    handle: async ({ params, body, serving }) => {
      const name = params.name;
      const { remove = {}, network, ...changes } = body;
      const layer = layerOf({ ...changes, network }, serving.options.mountRoots);
      const removals = {
        ...{ env: remove.env, labels: remove.labels, init: remove.init },
        ...{ mounts: remove.mounts, addHosts: remove.addHosts },
        ports: remove.ports?.map(portOf),
        allowHosts: rulesOf("remove.allowedHosts", remove.allowedHosts, parseHostRule),
        allowRanges: rulesOf("remove.allowedCidrs", remove.allowedCidrs, parseRangeRule),
        allowPresets: remove.allowedPresets,
      };
      await updateMachine(serving.context, name, layer, removals, ALLOWED);
      return infoOf(serving, name);
    },
  }),
  jsonRoute({
    ...{ method: "delete", path: MACHINE, id: "deleteMachine", tag, limit: "server", failures: [404] },
    summary: "Delete a machine with all that it has; one that runs is ended first",
    query: strictObject({
      force: field(picklist(["true", "false"]), "No effect: nothing is ever asked."),
      cascade: field(picklist(["true", "false"]), "No effect: no machine hangs on another one."),
    }),
    answer: { schema: strictObject({ deleted: string() }), about: "It is gone." },
    handle: async ({ params, serving, signal }) => {
      const name = params.name;
      await deleteMachine(serving.context, name, signal);
      return { deleted: name };
    },
  }),
  jsonRoute({
    ...{
      method: "post",
      path: `${MACHINE}/start`,
      id: "startMachine",
      tag,
      limit: "server",
      failures: [404, 409],
    },
    summary: "Start a machine, and wait until it runs",
    description: "One that runs is left alone. The image is downloaded when it is not there yet.",
    body: startBody,
    answer: one,
    handle: async ({ params, body, serving, signal }) => {
      await start(serving, params.name, signal, credentialsOf(body.registryAuth));
      return infoOf(serving, params.name);
    },
  }),
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/stop`, id: "stopMachine", tag, limit: "server", failures: [404] },
    summary: "Stop a machine, and wait until nothing of it runs",
    body: {
      optional: true,
      schema: strictObject({
        force: field(boolean(), "At once, as by pulling the plug."),
        timeoutSecs: field(
          seconds(0, 3600),
          "How long the workload may take to end. Default: the machine's.",
        ),
      }),
    },
    answer: one,
    handle: async ({ params, body, serving, signal }) => {
      const name = params.name;
      const { force } = body;
      const timeoutMs = milliseconds(body.timeoutSecs);
      await stopMachine(serving.context, name, { force, timeoutMs, signal });
      return infoOf(serving, name);
    },
  }),
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/restart`, id: "restartMachine", tag, limit: "server" },
    summary: "Stop a machine if it runs, and start it",
    failures: [404, 409],
    body: startBody,
    answer: one,
    handle: async ({ params, body, serving, signal }) => {
      const name = params.name;
      const credentials = credentialsOf(body.registryAuth);
      await stopMachine(serving.context, name, { signal });
      await start(serving, name, signal, credentials);
      return infoOf(serving, name);
    },
  }),
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/resize`, id: "resizeMachine", tag, limit: "server" },
    summary: "Make disks of a machine larger; it must not run",
    failures: [404, 409],
    body: {
      schema: strictObject({
        storageGb: optional(specSchema.entries.storageGib),
        overlayGb: optional(specSchema.entries.overlayGib),
      }),
      former: { storage: "storageGb", overlay: "overlayGb" },
    },
    answer: one,
    handle: async ({ params, body, serving }) => {
      const { storageGb: storageGib, overlayGb: overlayGib } = body;
      if (storageGib === undefined && overlayGib === undefined)
        throw new Refused("BAD_REQUEST", "give storageGb, overlayGb or both");
      await resizeMachine(serving.context, params.name, { storageGib, overlayGib });
      return infoOf(serving, params.name);
    },
  }),
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/clone`, id: "cloneMachine", tag, limit: "server" },
    gives: { name: "/name" },
    summary: "Make a machine of another name with the same disks; the first must not run",
    failures: [404, 409],
    body: { schema: strictObject({ name: machineName }) },
    answer: one,
    handle: async ({ params, body, serving }) => {
      await cloneMachine(serving.context, params.name, body.name);
      return infoOf(serving, body.name);
    },
  }),
  jsonRoute({
    ...{ method: "get", path: `${MACHINE}/wait`, id: "waitForMachine", tag, limit: "own" },
    summary: "Wait until a machine is in a state",
    failures: [404, 408, 409],
    query: strictObject({
      until: picklist(["running", "healthy", "stopped"]),
      timeoutSecs: field(seconds(0, MAX_WAIT_SECONDS), "Default: the server's limit of a request."),
    }),
    answer: one,
    handle: async ({ params, query, serving, signal }) => {
      const name = params.name;
      const limit = new TimeLimit(milliseconds(query.timeoutSecs) ?? serving.options.requestTimeoutMs);
      try {
        await waitForStatus(serving.context, name, query.until, AbortSignal.any([signal, limit.signal]));
      } finally {
        limit.clear();
      }
      return infoOf(serving, name);
    },
  }),
];

function labelFilter(text: string): MachineFilter {
  const end = text.indexOf("=");
  const value = end < 0 ? undefined : text.slice(end + 1);
  return { kind: "label", name: end < 0 ? text : text.slice(0, end), value };
}
