import type { Details } from "../table/types.ts";

export const details: Details = {
  text: `Lists the machines that run now, by name. (eph) marks one that is removed when its command ends.
Looking changes nothing and starts nothing.

--json prints an array of objects with the keys name, state, cpus, memory_mib, pid, created_at
(seconds since 1970), storage_gb, overlay_gb, image and image_id (null for the built-in one),
entrypoint, cmd, workdir, network, ephemeral and engine.`,
  examples: [{ command: "smolvm machine ls" }, { command: "smolvm machine ls --json | jq -r '.[].name'" }],
};
