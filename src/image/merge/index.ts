/** From layers to one filesystem: what they do to a tree, one over the other, and the metadata that comes out. */
export { DamagedLayer, type Merged, type MergeLayer, type MergeTarget, mergeLayers } from "./merge.ts";
