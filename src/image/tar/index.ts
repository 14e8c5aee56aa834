/** Tar archives: read as they stream by, and written. */
export type { SparseRun, TarEntry, TarEntryType, TarHandler } from "./entry.ts";
export { type LayerMember, writeLayerTar } from "./layer.ts";
export { TAR_BLOCK, TAR_END, type TarMember, tarHeader, tarPadding } from "./member.ts";
export { checkName, joined, type MembersReport, memberOf, TreeMembers } from "./members.ts";
export { TarReader } from "./reader.ts";
