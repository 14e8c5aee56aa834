import { readFileSync, statSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { type EngineName, engineNames, type Verdict } from "../types.ts";

/** Verdicts as they are kept: worth something only while everything they depend on is as it was. */
interface Entry {
  readonly key: string;
  readonly verdict: Verdict;
}
type Entries = Partial<Record<EngineName, Entry>>;

const FORMAT = 1;
const MAX_BYTES = 64 * 1024;

/** The verdict that was kept for this key; undefined when there is none, or the file is damaged. */
export function cachedVerdict(path: string, engine: EngineName, key: string): Verdict | undefined {
  const entry = readEntries(path)[engine];
  return entry?.key === key ? entry.verdict : undefined;
}

/** Keeps a verdict beside those of the other engine. A cache that cannot be written is no reason to fail. */
export async function keepVerdict(path: string, key: string, verdict: Verdict): Promise<void> {
  const entries: Entries = { ...readEntries(path), [verdict.engine]: { key, verdict } };
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
    await writeFile(temporary, JSON.stringify({ format: FORMAT, entries }), { mode: 0o600, flag: "wx" });
    await rename(temporary, path);
  } catch {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

function readEntries(path: string): Entries {
  try {
    if (statSync(path).size > MAX_BYTES) return {};
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!isRecord(content) || content.format !== FORMAT || !isRecord(content.entries)) return {};
    const entries: Entries = {};
    for (const engine of engineNames) {
      const entry = content.entries[engine];
      if (isEntry(entry, engine)) entries[engine] = entry;
    }
    return entries;
  } catch {
    return {};
  }
}

function isEntry(value: unknown, engine: EngineName): value is Entry {
  if (!isRecord(value) || typeof value.key !== "string") return false;
  const verdict = value.verdict;
  return (
    isRecord(verdict) &&
    verdict.engine === engine &&
    typeof verdict.works === "boolean" &&
    typeof verdict.reason === "string" &&
    (verdict.fix === undefined || typeof verdict.fix === "string") &&
    isRecord(verdict.details) &&
    Object.values(verdict.details).every((detail) => typeof detail === "string")
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
