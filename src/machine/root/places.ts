/** The one root of a machine that people's commands run in. */
export const MAIN_ROOT = "main";

/** Where the system keeps what the root is made from; not to be seen once the root was entered. */
const here = `/run/${MAIN_ROOT}`;

/** Paths on the system's side. */
export const place = {
  image: `${here}/image`,
  overlay: `${here}/overlay`,
  storage: `${here}/storage`,
  /** Part of the storage disk, so that lost+found is not in the user's way. */
  workspace: `${here}/storage/workspace`,
  etc: `${here}/etc`,
  run: `${here}/run`,
  root: `${here}/root`,
  /** Of the system image (recipes/system/beneath.ts): what lies beneath an image, and beneath the built-in one. */
  beneathImage: "/beneath/image",
  beneathBase: "/beneath/base",
} as const;

/** Slots for what is mounted on the system's side and attached inside. */
export const slot = { hosts: 0, hostname: 1, resolver: 2, storage: 3, workspace: 4, run: 5 } as const;
