/** The operations of the HTTP API whose answer is JSON (docs/http-api.md), by their ids: how each is asked for. */
import { errorOf } from "../../errors.ts";
import type { ApiCall } from "../types.ts";

const machine = (rest = "") => `/api/v1/machines/{name}${rest}`;

/** A test holds this list against the server's own. */
export const OPERATIONS: Readonly<Record<string, readonly [method: string, path: string]>> = {
  health: ["GET", "/health"],
  createMachine: ["POST", "/api/v1/machines"],
  listMachines: ["GET", "/api/v1/machines"],
  getMachine: ["GET", machine()],
  updateMachine: ["PATCH", machine()],
  deleteMachine: ["DELETE", machine()],
  startMachine: ["POST", machine("/start")],
  stopMachine: ["POST", machine("/stop")],
  restartMachine: ["POST", machine("/restart")],
  resizeMachine: ["POST", machine("/resize")],
  cloneMachine: ["POST", machine("/clone")],
  waitForMachine: ["GET", machine("/wait")],
  commitMachine: ["POST", machine("/commit")],
  exec: ["POST", machine("/exec")],
  runInImage: ["POST", machine("/run")],
  listProcesses: ["GET", machine("/processes")],
  killProcess: ["POST", machine("/processes/{id}/kill")],
  stats: ["GET", machine("/stats")],
  egressEvents: ["GET", machine("/egress-events")],
  explainPolicy: ["GET", machine("/policy/explain")],
  learnedPolicy: ["GET", machine("/policy/learned")],
  machineImages: ["GET", machine("/images")],
  pullMachineImage: ["POST", machine("/images/pull")],
  listImages: ["GET", "/api/v1/images"],
  inspectImage: ["GET", "/api/v1/images/inspect"],
  pullImage: ["POST", "/api/v1/images/pull"],
  pruneImages: ["POST", "/api/v1/images/prune"],
  removeImage: ["POST", "/api/v1/images/remove"],
};

/** @throws SmolvmError `sdk.unsupported` for an operation that a server has not */
export function requestOf({ operation, name = "", id = "", query, body }: ApiCall) {
  const known = Object.hasOwn(OPERATIONS, operation) ? OPERATIONS[operation] : undefined;
  if (known === undefined)
    throw errorOf({ code: "sdk.unsupported", message: `${operation}: servers have no such operation` });
  const [method, pattern] = known;
  const path = pattern
    .replace("{name}", () => encodeURIComponent(name))
    .replace("{id}", () => encodeURIComponent(id));
  const json = body ?? (method === "POST" || method === "PATCH" ? {} : undefined);
  return { method, path: withQuery(path, query), json };
}

/** Lists become repeated parameters; what is undefined is left out. */
export function withQuery(path: string, query: Readonly<Record<string, unknown>> = {}): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => one !== undefined)
      .map((one) => `${encodeURIComponent(key)}=${encodeURIComponent(String(one))}`),
  );
  return pairs.length === 0 ? path : `${path}?${pairs.join("&")}`;
}

/** A machine's own path. */
export const machinePath = (name: string, rest: string): string =>
  machine(rest).replace("{name}", () => encodeURIComponent(name));
