/** Containers of a machine that runs: their images, their files, their processes. */
export { Containers } from "./containers.ts";
export {
  type CopyEvent,
  type CreateParams,
  containerMethods,
  type RemoveParams,
  type StopParams,
} from "./methods.ts";
export type { ContainerHost, ContainerPlans } from "./types.ts";
