/** What a guest may send in one copy, each with its reason. A limit is a promise too: what is below all is copied. */
const GiB = 1024 ** 3;

export const limits = {
  /** NAME_MAX of Linux. */
  nameBytes: 255,
  /** PATH_MAX of Linux, without the NUL: targets of links. */
  targetBytes: 4095,
  /** Directories in each other: each holds a descriptor open while it is copied (MAX_LEVELS in agent/records.h). */
  depth: 512,
  /** Entries of one copy. They cost the host nothing but inodes; more than an ext4 of 256 GiB has. */
  entries: 16_000_000,
  /** Names of files that have several, which are remembered until the copy ends; a few hundred bytes each. */
  linkedFiles: 1_000_000,
  /** Apparent size of a file: what ext4 can hold. */
  fileBytes: 16 * 1024 * GiB,
  /** One segment of a file (MAX_SEGMENT in agent/records.h). */
  segmentBytes: 256 * 1024,
  /** Of a file whose size is unknown before it is read (those of /proc), where a tar has to have it first. */
  unsizedBytes: 1024 * 1024,
  /** Holes of all files in a tar, which has zeros for them: a few bytes of a guest could fill any disk. */
  tarHoleBytes: 64 * GiB,
  /** Of the guest's words about a failure. */
  failureBytes: 512,
} as const;
