import type { Context } from "../../context.ts";
import type { EngineName } from "../../engine/index.ts";
import { libkrunSource } from "./files.ts";

/**
 * The engine that a machine runs on. The engines are loaded by this: most of what is planned needs none of them.
 *
 * @param requested default: the best one that works on this host
 * @throws SmolError as `chooseEngine`; `engine.bad_libkrun`
 */
export async function planEngine(context: Context, requested: EngineName | undefined): Promise<EngineName> {
  const { paths, environment: env } = context;
  const libkrun = libkrunSource(context);
  const { chooseEngine } = await import("../../engine/index.ts");
  const { engine } = await chooseEngine({ requested, env, cacheDir: paths.cache, libkrun });
  return engine.name;
}
