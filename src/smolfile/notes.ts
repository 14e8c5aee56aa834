import type { SmolfileContent } from "./schema.ts";
import { MAX_SPAN_MS, spanMs } from "./values.ts";

/** What is right and does not do what one might expect, one sentence each. */
export function notesOn(content: SmolfileContent): string[] {
  const { health, artifact, pack } = content;
  const notes: string[] = [];
  if (health !== undefined && (health.exec ?? []).length === 0)
    notes.push("[health] has no effect without exec");
  if (content.gpu_vram !== undefined && content.gpu !== true)
    notes.push("gpu_vram has no effect without gpu = true");
  if (artifact !== undefined && pack !== undefined)
    notes.push("[pack] has no effect beside [artifact], which is its other name");
  return [...notes, ...clampNotes(content)];
}

/** Upstream ignores a span that is too long for it, so such files exist. */
function clampNotes({ health, restart }: SmolfileContent): string[] {
  const spans = {
    "health.interval": health?.interval,
    "health.timeout": health?.timeout,
    "health.startup_grace": health?.startup_grace,
    "restart.max_backoff": restart?.max_backoff,
  };
  return Object.entries(spans)
    .filter(([, value]) => (spanMs(value) ?? 0) > MAX_SPAN_MS)
    .map(([name]) => `${name} is longer than 24 days, and counts as 24 days`);
}
