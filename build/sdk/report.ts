import { writeFileSync } from "node:fs";
import { root } from "../host.ts";
import { type CompiledFile, declarations } from "./compile.ts";

/**
 * What the SDK promises to programs, in one file that reviews see change: the declarations that its face leads to, without
 * what is said about them. `bun build/sdk/report.ts` writes it anew; a test says when that was forgotten.
 */
export const REPORT = "sdk/api-report.txt";

/** @param files the declarations, in the order in which the face leads to them */
export function apiReport(files: readonly CompiledFile[]): string {
  const parts = files.map(({ path, text }) => `=== ${path}\n${withoutComments(text)}`);
  return `Made by \`bun build/sdk/report.ts\` from sdk/src/: do not edit.\n\n${parts.join("\n")}`;
}

/** A comment of a declaration has lines of its own. */
function withoutComments(text: string): string {
  return text
    .replace(/^[ \t]*\/\*\*?[\s\S]*?\*\/[ \t]*\n/gm, "")
    .replace(/^[ \t]*\/\/.*\n/gm, "")
    .replace(/\n{2,}/g, "\n");
}

if (import.meta.main) writeFileSync(`${root}/${REPORT}`, apiReport(await declarations()));
