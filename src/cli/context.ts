import { environment } from "../command-line.ts";
import { resolvePaths } from "../config/paths.ts";
import type { Context } from "../context.ts";
import { warn } from "./output.ts";

/** What the command line passes down: its own environment, and stderr for notes. */
export function makeContext(): Context {
  return { paths: resolvePaths(), environment: environment(), note: warn };
}
