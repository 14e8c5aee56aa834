import { type ConfineMode, type Confinement, chooseConfinement } from "../../confine/index.ts";
import type { Context } from "../../context.ts";

/**
 * How a start confines its VM's process: as it was asked to, else as the user's environment or settings say.
 *
 * @param launcher undefined where there is none (macOS)
 * @throws SmolError `confine.missing`, `confine.bad_mode`; `config.*` for settings that cannot be read
 */
export async function planConfinement(
  { paths, environment: env }: Context,
  mode: ConfineMode | undefined,
  launcher: string | undefined,
): Promise<Confinement> {
  const settings = async () => {
    const { loadSettings } = await import("../../config/index.ts");
    return (await loadSettings(paths, env)).confinement;
  };
  return await chooseConfinement({ mode, env, settings, launcher, cacheDir: paths.cache });
}
