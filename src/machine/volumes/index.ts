/** What of the host a machine may see: paths that people give, and volumes of smolvm's own. */
export {
  createVolume,
  inspectVolume,
  listVolumes,
  type NamedVolume,
  pruneVolumes,
  removeVolume,
} from "./named.ts";
export { planVolumes, type SettleOptions, settleVolumes } from "./sources.ts";
