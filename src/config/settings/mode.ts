import type { TomlTable } from "../../toml/table.ts";

/** `mode` of a section that has nothing else: one of some words. @param fallback when it is not said */
export function readMode<Mode extends string>(
  section: TomlTable | undefined,
  modes: readonly Mode[],
  fallback: Mode,
): Mode {
  if (section === undefined) return fallback;
  const given = section.text("mode");
  section.finish();
  if (given === undefined) return fallback;
  const mode = modes.find((name) => name === given);
  if (mode !== undefined) return mode;
  throw section.failure("mode", `${section.nameOf("mode")} must be one of ${modes.join(", ")}`);
}
