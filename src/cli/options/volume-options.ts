import type { Arguments } from "../program/types.ts";

/** Names of volumes. */
export const volumeWords = {
  kind: "words",
  placeholder: "VOLUME...",
  min: 1,
  max: 1000,
} as const satisfies Arguments;

/** What asks about volumes: neither the folder's face nor that of machines, which load more. */
export async function openVolumes() {
  const [volumes, { makeContext }] = await Promise.all([
    import("../../machine/volumes/index.ts"),
    import("../context.ts"),
  ]);
  return { volumes, context: makeContext() };
}
