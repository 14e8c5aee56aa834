import type { GuestExec } from "../../guest/index.ts";
import { failureOf, type Stream, StreamFailure } from "../../protocol/index.ts";
import { MAIN_ROOT } from "../root/index.ts";
import { relayExec } from "./relay.ts";
import type { Session } from "./session.ts";

/** How long the guest's side may take to remove what is not complete once its client has gone, in milliseconds. */
const PATIENCE_MS = 10_000;

/**
 * Runs the guest's half of a copy for a client, in the machine's root as the workload sees it: the agent's own program,
 * which packs or unpacks files. What it says is the guest's, and the client's to check.
 *
 * @param program of the guest's system
 */
export async function serveCopy(
  stream: Stream,
  session: () => Promise<Session>,
  program: string,
): Promise<void> {
  try {
    const request = requestOf(stream.request.params, program);
    const { guest, root } = await session();
    await root.requested;
    await relayExec(stream, request, {
      exec: (exec: GuestExec) => guest.exec(exec),
      rootMade: root.made,
      // One that packs has made nothing.
      patienceMs: request.argv[1] === "unpack" ? PATIENCE_MS : undefined,
    });
  } catch (error) {
    stream.fail(failureOf(error));
  }
}

/** @throws StreamFailure `machine.bad_request` */
function requestOf(params: unknown, program: string): GuestExec {
  const { direction, path, follow, parents } = (params ?? {}) as Record<string, unknown>;
  const isPath = typeof path === "string" && path.startsWith("/") && !path.includes("\0");
  if (!isPath || (direction !== "in" && direction !== "out"))
    throw new StreamFailure({ code: "machine.bad_request", message: "malformed copy" });
  const verb = direction === "in" ? "unpack" : follow === true ? "pack-followed" : "pack";
  return {
    root: MAIN_ROOT,
    argv: [program, verb, path],
    env: [],
    // A process's working directory is made where it is missing; the program itself has no use for it.
    cwd: parents === true && verb === "unpack" ? above(path) : undefined,
    stdin: true,
    systemProgram: true,
  };
}

/** The directory that a path is in. */
const above = (path: string): string => path.replace(/\/*[^/]+\/*$/, "") || "/";
