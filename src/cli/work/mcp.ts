import { messageOf, SmolError } from "../../errors.ts";
import type { Ceilings } from "../../mcp/index.ts";
import type { McpValues } from "../commands/mcp/start.ts";
import { makeContext } from "../context.ts";
import { engineFromEnvironment } from "../options/engine.ts";
import { complain } from "../output.ts";
import { readStdin } from "../terminal/input.ts";
import { writeFully } from "../terminal/output.ts";
import { usageError } from "../usage.ts";
import { parseAllowedHost } from "../values/network.ts";
import { checkReach, placeOf, readToken, rootOf } from "./serve.ts";

/** Serves until its client, or a signal, ends it. Resolves to the exit code. @throws SmolError `serve.*`, `cli.bad_value` */
export async function serveMcp(values: McpValues): Promise<number> {
  const [mcp, { loadSettings }] = await Promise.all([
    import("../../mcp/index.ts"),
    import("../../config/index.ts"),
  ]);
  const context = makeContext();
  const ceilings: Ceilings = {
    maxMachines: values.maxMachines,
    maxMemoryMib: values.maxMemory,
    maxDiskGib: values.maxDisk ?? values.maxMachines * mcp.USUAL_DISK_GIB,
    maxCpus: values.maxCpus,
    ttlMs: values.ttl,
    idleTimeoutMs: values.idleTimeout,
    allowHosts: values.allowHosts.map(parseAllowedHost),
    mountRoots: values.mountRoots.map(rootOf),
    images: values.images.map(mcp.startersImage),
    defaultRegistry: (await loadSettings(context.paths)).images.defaultRegistry,
    maxCopyBytes: values.maxCopy * 1024 * 1024,
    maxOutputBytes: values.maxOutput,
  };
  const leastDisk = values.maxMachines * mcp.LEAST_DISK_GIB;
  if (ceilings.maxDiskGib < leastDisk)
    throw usageError(
      "cli.bad_value",
      `--max-disk is at least ${leastDisk} for ${values.maxMachines} machines`,
    );
  const tools = values.tools?.split(",").map((name) => name.trim());
  const unknown = tools?.find((name) => !mcp.TOOL_NAMES.includes(name));
  if (unknown !== undefined)
    throw usageError(
      "cli.bad_value",
      `--tools knows no ${JSON.stringify(unknown)}`,
      `there are ${mcp.TOOL_NAMES.join(", ")}`,
    );
  const machines = new mcp.Machines(context, ceilings, engineFromEnvironment());
  const box = mcp.makeToolBox(machines, tools);
  const told = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => told.abort());
  const onFault = (error: unknown) => complain(`a fault in smolvm: ${messageOf(error)}`);
  try {
    if (values.http !== undefined) await serveHttp(values, values.http, told.signal);
    else
      await mcp.serveStreams(
        box,
        { input: readStdin(), write: (bytes) => writeFully(1, bytes), onFault },
        told.signal,
      );
  } finally {
    await machines.end();
  }
  return 0;

  async function serveHttp({ tokenFile, origins }: McpValues, text: string, end: AbortSignal): Promise<void> {
    const place = placeOf(text);
    if (place.kind !== "tcp") throw usageError("cli.bad_value", "--http takes ADDR:PORT", "127.0.0.1:8090");
    const token = tokenFile === undefined ? undefined : readToken(tokenFile);
    checkReach(place, token !== undefined);
    const { host, port } = place;
    const server = listening(() => mcp.serveHttp(box, { host, port, token, origins, onFault }), text);
    complain(`smolvm MCP server listening on ${server.url}`);
    await new Promise((resolve) => end.addEventListener("abort", resolve, { once: true }));
    await server.stop();
  }
}

/** @throws SmolError `serve.cannot_listen` */
function listening<T>(listen: () => T, where: string): T {
  try {
    return listen();
  } catch (error) {
    throw new SmolError("serve.cannot_listen", `cannot listen at ${where}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
