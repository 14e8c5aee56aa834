/** The root of a machine that people's commands run in; containers have others beside it. */
export const MAIN_ROOT = "main";

/** Where the system keeps what a root is made from; not to be seen once the root was entered. */
export interface Places {
  readonly image: string;
  readonly overlay: string;
  readonly storage: string;
  /** Part of the storage disk, so that lost+found is not in the user's way. */
  readonly workspace: string;
  readonly etc: string;
  readonly run: string;
  readonly root: string;
}

/** Paths on the system's side. @param root its name */
export function placesOf(root: string): Places {
  const here = `/run/${root}`;
  return {
    image: `${here}/image`,
    overlay: `${here}/overlay`,
    storage: `${here}/storage`,
    workspace: `${here}/storage/workspace`,
    etc: `${here}/etc`,
    run: `${here}/run`,
    root: `${here}/root`,
  };
}

export const mainPlaces = placesOf(MAIN_ROOT);

/** Of the system image (recipes/system/beneath.ts): what lies beneath an image, and beneath the built-in one. */
export const beneath = { image: "/beneath/image", base: "/beneath/base" } as const;

/** Slots for what is mounted on the system's side and attached inside. */
export const slot = { hosts: 0, hostname: 1, resolver: 2, storage: 3, workspace: 4, run: 5 } as const;

/** The slots that are left for directories of a user's choice. */
export const firstFreeSlot = 6;

/** Slots of folders of the host: as many as a machine may have. */
export const volumeSlot = (index: number): number => firstFreeSlot + index;
