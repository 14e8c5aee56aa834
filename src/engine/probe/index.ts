import { statSync } from "node:fs";
import { bootId } from "../../host/index.ts";
import { findQemu } from "../qemu/binary.ts";
import type { EngineName, Verdict } from "../types.ts";
import { cachedVerdict, keepVerdict } from "./cache.ts";

export interface ProbeOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where verdicts are kept, as `probe.json`. */
  readonly cacheDir: string;
  /** Whether this build carries libkrun. */
  readonly hasLibkrun: boolean;
}

/**
 * Whether the engine works on this host, decided by trying it. The answer is kept until the host restarts, or
 * anything it depends on changes; an answer that was kept costs less than a millisecond.
 *
 * @throws SmolError `engine.bad_qemu`
 */
export async function probeEngine(engine: EngineName, options: ProbeOptions): Promise<Verdict> {
  const path = `${options.cacheDir}/probe.json`;
  const key = verdictKey(engine, options);
  const kept = cachedVerdict(path, engine, key);
  if (kept !== undefined) return kept;
  const verdict = await tryEngine(engine, options);
  // A host that was too busy to answer may have time later.
  if (!verdict.details.timeout) keepVerdict(path, key, verdict);
  return verdict;
}

/** The same without a look at the cache. */
export async function tryEngine(engine: EngineName, options: ProbeOptions): Promise<Verdict> {
  if (engine === "krun") {
    const { tryKrun } = await import("./krun.ts");
    return tryKrun(options.hasLibkrun);
  }
  const { tryQemu } = await import("./qemu.ts");
  return tryQemu(options.env);
}

/**
 * Everything that an engine's verdict depends on; where boots are not told apart, virtualization does not
 * come and go.
 */
function verdictKey(engine: EngineName, { env, hasLibkrun }: ProbeOptions): string {
  const parts = [bootId(), fileStamp(process.execPath)];
  if (engine === "qemu") {
    const binary = findQemu(env);
    parts.push(binary?.path ?? "", binary?.stamp ?? "");
  } else {
    parts.push(String(hasLibkrun), fileStamp("/dev/kvm"), processGroups());
  }
  return parts.join(" ");
}

/** Who may open /dev/kvm depends on its mode and owner, whose changes show in ctime, and on us. */
function processGroups(): string {
  return `${process.geteuid?.()}:${process.getgroups?.().join(",")}`;
}

function fileStamp(path: string): string {
  const status = statSync(path, { throwIfNoEntry: false });
  return status === undefined ? "-" : `${status.ino}:${status.size}:${status.mtimeMs}:${status.ctimeMs}`;
}
