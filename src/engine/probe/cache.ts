import { keepAnswer, keptAnswer } from "../../host/index.ts";
import { type EngineName, engineNames, type Verdict } from "../types.ts";

/** Verdicts as they are kept: worth something only while everything they depend on is as it was. */
interface Entry {
  readonly key: string;
  readonly verdict: Verdict;
}
type Entries = Partial<Record<EngineName, Entry>>;

const FORMAT = 1;

/** The verdict that was kept for this key; undefined when there is none, or the file is damaged. */
export function cachedVerdict(path: string, engine: EngineName, key: string): Verdict | undefined {
  const entry = readEntries(path)[engine];
  return entry?.key === key ? entry.verdict : undefined;
}

/** Keeps a verdict beside those of the other engine, where the cache can be written. */
export function keepVerdict(path: string, key: string, verdict: Verdict): void {
  const entries: Entries = { ...readEntries(path), [verdict.engine]: { key, verdict } };
  keepAnswer(path, { format: FORMAT, entries });
}

function readEntries(path: string): Entries {
  const content = keptAnswer(path);
  if (!isRecord(content) || content.format !== FORMAT || !isRecord(content.entries)) return {};
  const entries: Entries = {};
  for (const engine of engineNames) {
    const entry = content.entries[engine];
    if (isEntry(entry, engine)) entries[engine] = entry;
  }
  return entries;
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
