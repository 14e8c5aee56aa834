import type { TomlTable } from "../../toml/table.ts";

/**
 * Whether machines go on from saved guests. `auto`: where there is one, and one is made where it is missing. `require`:
 * or they do not start. `off`: they boot.
 */
export const templateModes = ["auto", "require", "off"] as const;
export type TemplateMode = (typeof templateModes)[number];

export const DEFAULT_TEMPLATES: TemplateMode = "auto";

/** `[templates] mode`: what holds where SMOLVM_TEMPLATES does not say it. */
export function readTemplates(section: TomlTable | undefined): TemplateMode {
  if (section === undefined) return DEFAULT_TEMPLATES;
  const given = section.text("mode");
  section.finish();
  if (given === undefined) return DEFAULT_TEMPLATES;
  const mode = templateModes.find((name) => name === given);
  if (mode !== undefined) return mode;
  throw section.failure("mode", `${section.nameOf("mode")} must be one of ${templateModes.join(", ")}`);
}
