import { resolvePaths } from "../../config/paths.ts";
import type { Names } from "./candidates.ts";

/** The names on this host. Looking for them changes nothing. */
export const namesHere: Names = {
  images: async () => {
    const [{ listImages }, { namesOf }] = await Promise.all([
      import("../../image/index.ts"),
      import("../show/images.ts"),
    ]);
    return (await listImages(resolvePaths().cache)).flatMap(namesOf);
  },
  machines: async () => {
    const { machineNames } = await import("../../machine/store/index.ts");
    return machineNames(resolvePaths());
  },
  environment: () => Object.keys(process.env).sort(),
};
