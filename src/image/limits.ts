/**
 * Every limit that a hostile image can run into, in one place, each with its reason.
 * A limit is a promise too: an image below all of them is accepted.
 */

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const limits = {
  /** Bytes of one image's files after decompression. The largest images in use (CUDA, Android) stay below 60 GiB. */
  totalBytes: 256 * GiB,
  /** Apparent size of one file: what ext4, the overlay's filesystem, can hold. */
  fileBytes: 16 * 1024 * GiB - 4 * KiB,
  /** Entries of all layers together, replaced ones included; each one costs about half a kilobyte of memory. */
  entries: 4_000_000,
  /** PATH_MAX of Linux: longer paths could not be opened inside the guest. */
  pathBytes: 4096,
  /** NAME_MAX of Linux, and the largest name that an EROFS directory may hold. */
  nameBytes: 255,
  /** Directories inside directories. PATH_MAX alone would allow 2048; real trees stay below 100. */
  depth: 512,
  /** Symbolic links followed while one path is resolved: the kernel's own number (MAXSYMLINKS). */
  symlinks: 40,
  /** Names looked up while one path is resolved, those in link targets included: two paths of single letters. */
  pathSteps: 4096,
  /** Extended attributes of one entry, names and values together: what the VFS lists at most (XATTR_LIST_MAX). */
  xattrBytes: 64 * KiB,
  /** Attributes of one entry. */
  xattrs: 256,
  /** Extended attributes of all files of a tree that is read from a disk; labels of SELinux take a tenth for `entries`. */
  treeXattrBytes: GiB,
  /** One PAX header, or one GNU long name. GNU tar's own maps of very sparse files need the room. */
  paxBytes: 8 * MiB,
  /** Data runs of one sparse file, and of all sparse files of a layer together. */
  sparseRuns: 1_000_000,
  sparseRunsTotal: 4_000_000,
  /**
   * Bytes out of a decompressor for each byte in. DEFLATE cannot pass 1032, zstd can reach tens of thousands on
   * zeros; an image of real files stays below 100. Only checked above `ratioFloorBytes`, so that small layers of
   * zeros pass.
   */
  ratio: 2000,
  ratioFloorBytes: 256 * MiB,
  /** log2 of the largest zstd window: 128 MiB is what the zstd command accepts without --long=31. */
  zstdWindowLog: 27,
  layers: 512,
  /** Directories that one image declares as volumes; images in use name less than ten. */
  volumes: 256,
  /** OCI documents (distribution specification: registries refuse manifests above 4 MiB). */
  manifestBytes: 4 * MiB,
  configBytes: 8 * MiB,
  indexEntries: 256,
  indexDepth: 4,
} as const;
