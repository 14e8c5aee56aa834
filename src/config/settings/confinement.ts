import { type ConfineMode, confineModes } from "../../confine/types.ts";
import type { TomlTable } from "../../toml/table.ts";

export const DEFAULT_CONFINEMENT: ConfineMode = "auto";

/** `[confinement] mode`: how the processes of VMs are confined where a start does not say it. */
export function readConfinement(section: TomlTable | undefined): ConfineMode {
  if (section === undefined) return DEFAULT_CONFINEMENT;
  const given = section.text("mode");
  section.finish();
  if (given === undefined) return DEFAULT_CONFINEMENT;
  const mode = confineModes.find((name) => name === given);
  if (mode !== undefined) return mode;
  throw section.failure("mode", `${section.nameOf("mode")} must be one of ${confineModes.join(", ")}`);
}
