import { chooseEngine } from "../../engine/index.ts";
import { SmolError } from "../../errors.ts";
import { libkrunSource } from "../../machine/plan/index.ts";
import type { Asked } from "../child.ts";

/** Whether machines can run here, and on which engine. */
export async function checkHost({ serving: { context, options } }: Asked): Promise<unknown> {
  const { paths, environment: env } = context;
  try {
    const libkrun = libkrunSource(context);
    const { engine } = await chooseEngine({ requested: options.engine, env, cacheDir: paths.cache, libkrun });
    return { ok: true, engine: engine.name };
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    return { ok: false, code: error.code, reason: error.message, hint: error.hint };
  }
}
