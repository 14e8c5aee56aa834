import { type EngineName, engineNames } from "../../engine/types.ts";
import { usageError } from "../usage.ts";

/** The engine that SMOLVM_ENGINE names; undefined when it is unset or empty. */
export function engineFromEnvironment(): EngineName | undefined {
  const given = process.env.SMOLVM_ENGINE;
  if (!given) return undefined;
  const engine = engineNames.find((name) => name === given);
  if (engine) return engine;
  throw usageError(
    "cli.bad_engine",
    `SMOLVM_ENGINE must be ${engineNames.join(" or ")}, not ${JSON.stringify(given.slice(0, 80))}`,
  );
}
