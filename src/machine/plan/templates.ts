// Not the face of settings, which would load how they are read.
import { type TemplateMode, templateModes } from "../../config/settings/templates.ts";
import type { Context } from "../../context.ts";
import type { EngineName } from "../../engine/index.ts";
import { SmolError } from "../../errors.ts";

/**
 * Whether a machine goes on from a saved guest: as the user's environment (SMOLVM_TEMPLATES) or settings say. Where no
 * engine could do it, that is not looked at.
 *
 * @throws SmolError `machine.bad_template_mode`; `config.*` for settings that cannot be read
 */
export async function planTemplates(
  { paths, environment: env }: Context,
  engine: EngineName,
): Promise<TemplateMode | undefined> {
  if (engine !== "qemu") return undefined;
  const given = env.SMOLVM_TEMPLATES;
  if (!given) {
    const { loadSettings } = await import("../../config/index.ts");
    return (await loadSettings(paths, env)).templates;
  }
  const mode = templateModes.find((name) => name === given);
  if (mode !== undefined) return mode;
  throw new SmolError(
    "machine.bad_template_mode",
    `SMOLVM_TEMPLATES must be one of ${templateModes.join(", ")}, not ${JSON.stringify(given.slice(0, 80))}`,
  );
}
