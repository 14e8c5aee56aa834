import { SmolError } from "../../errors.ts";
import { planEngine } from "../../machine/plan/index.ts";
import type { Asked } from "../child.ts";

/** Whether machines can run here, and on which engine. */
export async function checkHost({ serving: { context, options } }: Asked): Promise<unknown> {
  try {
    return { ok: true, engine: await planEngine(context, options.engine) };
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    return { ok: false, code: error.code, reason: error.message, hint: error.hint };
  }
}
