import { SmolError } from "../errors.ts";
import { krunEngine } from "./krun/index.ts";
import { probeEngine } from "./probe/index.ts";
import { qemuEngine } from "./qemu/index.ts";
import { type Engine, type EngineName, engineNames, type Verdict } from "./types.ts";

export interface ChooseOptions {
  /** The user's wish (`--engine`, SMOLVM_ENGINE); without one the best engine that works. */
  readonly requested?: EngineName | undefined;
  /** Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** smolvm's cache directory; it need not exist. */
  readonly cacheDir: string;
  /** Path of libkrun.so.1; undefined when this build has none. Only called when somebody needs the file. */
  readonly libkrun?: (() => Promise<string>) | undefined;
}

/**
 * Picks an engine that works on this host.
 *
 * @returns the engine, and the verdicts that led to it: of the engines that were looked at, in order
 * @throws SmolError `engine.unavailable` (none works) or `engine.requested_unavailable`, with reason and fix;
 * `engine.unknown`; `engine.bad_qemu`
 */
export async function chooseEngine(options: ChooseOptions): Promise<{ engine: Engine; verdicts: Verdict[] }> {
  const { requested, cacheDir, env = process.env } = options;
  const candidates = requested === undefined ? engineNames : [engineByName(requested).name];
  const verdicts: Verdict[] = [];
  for (const name of candidates) {
    const verdict = await probeEngine(name, { env, cacheDir, hasLibkrun: options.libkrun !== undefined });
    verdicts.push(verdict);
    if (verdict.works) return { engine: engineByName(name), verdicts };
  }
  throw unavailable(requested, verdicts);
}

/**
 * The engine with this name, whether it works here or not.
 *
 * @throws SmolError `engine.unknown`
 */
export function engineByName(name: EngineName): Engine {
  if (name === "krun") return krunEngine;
  if (name === "qemu") return qemuEngine;
  throw new SmolError("engine.unknown", `no such engine: ${String(name)}`, {
    hint: `engines: ${engineNames.join(", ")}`,
  });
}

function unavailable(requested: EngineName | undefined, verdicts: readonly Verdict[]): SmolError {
  const reasons = verdicts.map(({ engine, reason }) => `${engine}: ${reason}`).join("; ");
  // The fix of the last one: QEMU's is a command that works on nearly every host.
  const fix = verdicts.at(-1)?.fix;
  const hint = requested === undefined ? fix : (fix ?? "leave out --engine to use one that works");
  return requested === undefined
    ? new SmolError("engine.unavailable", `no engine works on this host (${reasons})`, { hint })
    : new SmolError(
        "engine.requested_unavailable",
        `the ${requested} engine does not work here: ${verdicts[0]?.reason}`,
        { hint },
      );
}
