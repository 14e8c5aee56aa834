import type { DirectoryEntry } from "../../files/filesystem.ts";

/** A name in a directory that was read. */
export interface Listed {
  readonly name: string;
  readonly inode: bigint;
  readonly type: number;
}

/** What one open directory has been read as. */
export class Listing {
  /** Sorted, behind `.` and `..`; absent before it is read, and once others needed the room. */
  names: readonly Listed[] | undefined;
  /** Offset of the first name. */
  first = 0;
  /** Where the guest got to: this offset, behind this name. */
  offset = 0;
  last = "";
}

/** Names that are kept for all open directories of a workspace: 50 MB. */
const MAX_KEPT = 250_000;

/**
 * Open directories, as they were when their reading began. When too many names are kept, the directory that was read
 * longest ago is listed again if the guest goes on with it: behind the name that it had last, so that it misses none
 * and sees none twice.
 */
export class Listings {
  readonly #most: number;
  readonly #kept = new Set<Listing>();
  #count = 0;

  constructor(most = MAX_KEPT) {
    this.#most = most;
  }

  /** Names that are kept. */
  get count(): number {
    return this.#count;
  }

  /**
   * @param offset of the first that is wanted; with 0 the directory is listed anew
   * @param list lists the directory
   * @param take returns false when there is no room for one more
   */
  read(
    listing: Listing,
    offset: number,
    list: () => readonly Listed[],
    take: (entry: DirectoryEntry) => boolean,
  ): void {
    const names = this.#names(listing, offset, list);
    for (let at = Math.max(0, offset - listing.first); at < names.length; at++) {
      const entry = names[at] as Listed;
      const next = listing.first + at + 1;
      if (!take({ ...entry, next: BigInt(next) })) return;
      listing.offset = next;
      listing.last = entry.name;
    }
  }

  drop(listing: Listing): void {
    if (!this.#kept.delete(listing)) return;
    this.#count -= listing.names?.length ?? 0;
    listing.names = undefined;
  }

  #names(listing: Listing, offset: number, list: () => readonly Listed[]): readonly Listed[] {
    const known = listing.names;
    if (known !== undefined && offset !== 0) {
      // A set keeps the order in which its members came: the first is the one that nobody read for longest.
      this.#kept.delete(listing);
      this.#kept.add(listing);
      return known;
    }
    this.drop(listing);
    const names = list();
    if (offset === 0) listing.first = 0;
    else if (offset === listing.offset) listing.first = offset - placeBehind(names, listing.last);
    this.#keep(listing, names);
    return names;
  }

  #keep(listing: Listing, names: readonly Listed[]): void {
    listing.names = names;
    this.#kept.add(listing);
    this.#count += names.length;
    for (const oldest of this.#kept) {
      if (this.#count <= this.#most || oldest === listing) return;
      this.drop(oldest);
    }
  }
}

/** Index of the first name that comes behind this one, whether it is still there or not. */
function placeBehind(names: readonly Listed[], last: string): number {
  const dots = [".", ".."].indexOf(last);
  if (dots >= 0) return dots + 1;
  let [low, high] = [2, names.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((names[middle] as Listed).name > last) high = middle;
    else low = middle + 1;
  }
  return low;
}
