import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { collect } from "../support/process.ts";
import type { Call, Surroundings } from "./adapter.ts";

/**
 * Pilot's own adapter, as its public generator makes it (`./dev soak pilot` builds it), and its own caller: what a program
 * answers is judged by these, in place of the rules that adapter.ts has of them.
 */

/** More than the adapter gives any program. */
const ANSWER_LIMIT_MS = 200_000;

/** Calls the program through the adapter in a directory of the soak's. @throws Error where the caller gets one */
export async function callReal(built: string, surroundings: Surroundings, call: Call): Promise<unknown> {
  const method = call.isKilled ? "smolvm.brief" : "smolvm.exec";
  return await askReal(built, surroundings, method, { args: call.args, stdin: call.stdin });
}

/** Starts an adapter, asks it for one of its methods, and ends it. */
export async function askReal(
  built: string,
  { program, env, cwd }: Surroundings,
  method: string,
  payload: object,
): Promise<unknown> {
  const scratch = mkdtempSync(`${tmpdir()}/sv-pilot-`);
  // The adapter knows its program by this name alone.
  symlinkSync(program, `${scratch}/smolvm`);
  const socket = `${scratch}/socket`;
  const adapter = Bun.spawn(
    [`${built}/adapter`, "--socket", socket, "--manifest", `${built}/manifest.json`],
    {
      cwd,
      // It passes few variables on, so this one goes no further.
      env: { ...env, PATH: `${scratch}:${env.PATH}`, FOREIGN_TO_PILOT: "1" },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    },
  );
  try {
    // Its first line comes when it listens; else it has ended.
    const { value } = await adapter.stderr.getReader().read();
    const line = Buffer.from(value ?? []).toString();
    if (!line.includes("listening on")) throw new Error(`the adapter has not begun: ${line}`);
    const words = ["-socket", socket, "-method", method, "-args", JSON.stringify(payload)];
    const caller = Bun.spawn([`${built}/ipc-call`, ...words], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const { exitCode, output, stderr } = await collect(caller, method, ANSWER_LIMIT_MS);
    if (exitCode !== 0) throw new Error(stderr);
    return JSON.parse(output);
  } finally {
    adapter.kill();
    await adapter.exited;
    rmSync(scratch, { recursive: true });
  }
}
