export {
  type ContainerBind,
  type ContainerRootInput,
  containerRoot,
  MAX_BINDS,
  planContainer,
} from "./container.ts";
export { DEPOT_ROOT, type DepotPaths, depot, depotPaths, planDepot } from "./depot.ts";
export { hostnameOf } from "./etc.ts";
export { explainRepair, explainSkipped } from "./explain.ts";
export { hasToBeFirst, initEnvironment, isInitSystem } from "./init-system.ts";
export { volumePlace } from "./mounts.ts";
export { MAIN_ROOT } from "./places.ts";
export { planRoot } from "./plan.ts";
export { withDefaultLimits } from "./process.ts";
export { stopSignalOf } from "./stop-signal.ts";
export type { RootDisks, RootInput, RootShare, WritableDisk } from "./types.ts";
