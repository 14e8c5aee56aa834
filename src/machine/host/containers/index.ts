/** Containers of a machine that runs: their images, their files, their processes. */
export { Containers } from "./containers.ts";
export { containerMethods } from "./methods.ts";
export type { CopyEvent, CreateParams, RemoveParams, StopParams } from "./serve.ts";
export type { ContainerHost, ContainerPlans } from "./types.ts";
