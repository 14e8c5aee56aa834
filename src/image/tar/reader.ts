import { limits } from "../limits.ts";
import { assembleNames, attributesOf, entryType } from "./assemble.ts";
import type { SparseRun, TarEntryType, TarHandler } from "./entry.ts";
import { beyond, damaged } from "./error.ts";
import { type Header, isZeroBlock, parseHeader, TAR_BLOCK } from "./header.ts";
import { parseDecimal } from "./numeric.ts";
import { type PaxRecords, parsePax } from "./pax.ts";
import { checkRuns, LeadingMap, OldGnuMap, paxSparse } from "./sparse.ts";

/** What the next bytes of the archive are. */
type State = "header" | "meta" | "old map" | "leading map" | "data" | "skip" | "end";

/** A member whose map is still being read. */
interface Unfinished {
  readonly header: Header;
  readonly pax: PaxRecords;
  readonly path: string;
  readonly target: string;
  readonly type: TarEntryType;
  /** Bytes that the archive stores for it. */
  readonly stored: number;
  readonly size: number;
}

/**
 * Reads a tar archive as it streams by: ustar, PAX, GNU and version 7 members in any mixture.
 *
 *     const reader = new TarReader(handler);
 *     for await (const chunk of source) reader.write(chunk);
 *     reader.finish();
 *
 * Chunks may be cut anywhere. File data is passed on without copying. Where readers of archives disagree, this one
 * does what GNU tar does (an extended header's size is for the member, never for the headers before it), or refuses.
 */
export class TarReader {
  readonly #handler: TarHandler;
  #state: State = "header";
  /** Collects a block that is cut by the end of a chunk. */
  readonly #partial = Buffer.alloc(TAR_BLOCK);
  #partialLength = 0;
  /** Bytes still to come of the present data or skip, and of the padding behind it. */
  #left = 0;
  #padding = 0;
  #meta: Buffer = Buffer.alloc(0);
  #metaLength = 0;
  #metaType = "";
  #longName: string | undefined;
  #longTarget: string | undefined;
  readonly #global: PaxRecords = new Map();
  #pax: PaxRecords | undefined;
  #sawZeros = false;
  #oldMap: OldGnuMap | undefined;
  #leadingMap: LeadingMap | undefined;
  #unfinished: Unfinished | undefined;
  #runs = 0;
  #position = 0;

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /** Bytes of the archive before what comes next; inside `entry`, where the data of the member begins. */
  get position(): number {
    return this.#position;
  }

  /** How many of the next bytes are data and padding of one member, which `skip` may pass over. */
  get skippable(): number {
    return this.#state === "data" ? this.#left + this.#padding : this.#state === "skip" ? this.#left : 0;
  }

  /** Whether the end mark was read: what follows does not matter. */
  get ended(): boolean {
    return this.#state === "end";
  }

  /** Passes over what is `skippable`, instead of writing it. */
  skip(): void {
    if (this.skippable === 0) return;
    this.#position += this.skippable;
    if (this.#state === "data") this.#handler.end();
    this.#state = "header";
  }

  /** Takes the next bytes of the archive. */
  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const start = this.#position;
    let at = 0;
    while (at < bytes.length && this.#state !== "end") {
      if (this.#state === "data" || this.#state === "skip" || this.#state === "meta") {
        at = this.#takeBody(bytes, at);
        this.#position = start + at;
        continue;
      }
      if (this.#partialLength === 0 && bytes.length - at >= TAR_BLOCK) {
        const block = bytes.subarray(at, at + TAR_BLOCK);
        at += TAR_BLOCK;
        this.#position = start + at;
        this.#takeBlock(block);
        continue;
      }
      const count = Math.min(TAR_BLOCK - this.#partialLength, bytes.length - at);
      bytes.copy(this.#partial, this.#partialLength, at, at + count);
      this.#partialLength += count;
      at += count;
      this.#position = start + at;
      if (this.#partialLength < TAR_BLOCK) return;
      this.#partialLength = 0;
      this.#takeBlock(this.#partial);
    }
  }

  /** Says that the archive ends here. @throws SmolError when that is in the middle of a member. */
  finish(): void {
    if (this.#state === "end") return;
    const pending = this.#longName !== undefined || this.#longTarget !== undefined || this.#pax !== undefined;
    if (this.#state !== "header" || this.#partialLength > 0 || pending)
      throw damaged("it ends in the middle of a member");
  }

  #takeBlock(block: Buffer): void {
    if (this.#state === "old map") this.#takeOldMap(block);
    else if (this.#state === "leading map") this.#takeLeadingMap(block);
    else this.#takeHeader(block);
  }

  #takeHeader(block: Buffer): void {
    if (isZeroBlock(block)) {
      if (this.#sawZeros) this.#state = "end";
      this.#sawZeros = true;
      return;
    }
    // Some readers go on after a single block of zeros and some stop: that must not decide what an image contains.
    if (this.#sawZeros) throw damaged("there are members behind an end mark");
    const header = parseHeader(block);
    if (header.size < 0 || header.size > limits.fileBytes)
      throw beyond(`a member says it has ${header.size} bytes`);
    switch (header.typeflag) {
      case "L":
      case "K":
      case "x":
      case "X":
      case "g":
        this.#beginMeta(header);
        break;
      case "V":
        // The name of a volume: no file.
        this.#skip(header.size + paddingOf(header.size));
        break;
      default:
        this.#beginMember(header, block);
    }
  }

  #beginMeta(header: Header): void {
    if (header.size > limits.paxBytes)
      throw beyond(`an extended header is longer than ${limits.paxBytes} bytes`);
    this.#metaType = header.typeflag;
    // Grown while the bytes come in: a size alone must not cost memory.
    this.#meta = Buffer.allocUnsafe(Math.min(header.size, 64 * 1024));
    this.#metaLength = 0;
    this.#left = header.size;
    this.#padding = paddingOf(header.size);
    this.#state = "meta";
    if (header.size === 0) this.#endMeta();
  }

  #takeBody(bytes: Buffer, start: number): number {
    const count = Math.min(this.#left, bytes.length - start);
    const part = bytes.subarray(start, start + count);
    this.#left -= count;
    if (this.#state === "data") this.#handler.data(part);
    else if (this.#state === "meta") this.#collect(part);
    if (this.#left === 0) {
      if (this.#state === "data") this.#endData();
      else if (this.#state === "meta") this.#endMeta();
      else this.#state = "header";
    }
    return start + count;
  }

  #collect(part: Buffer): void {
    if (this.#metaLength + part.length > this.#meta.length) {
      const grown = Buffer.allocUnsafe((this.#metaLength + part.length) * 2);
      this.#meta.copy(grown, 0, 0, this.#metaLength);
      this.#meta = grown;
    }
    part.copy(this.#meta, this.#metaLength);
    this.#metaLength += part.length;
  }

  #endMeta(): void {
    const body = this.#meta.subarray(0, this.#metaLength);
    this.#meta = Buffer.alloc(0);
    switch (this.#metaType) {
      case "L":
        this.#longName = untilNul(body);
        break;
      case "K":
        this.#longTarget = untilNul(body);
        break;
      case "g":
        this.#takeGlobal(body);
        break;
      default:
        // A second extended header replaces the first.
        this.#pax = new Map();
        parsePax(body, this.#pax);
    }
    this.#skip(this.#padding);
  }

  /**
   * Keeps the global records that mean something for every member. Names and sizes are refused: they make no sense
   * for all members, and readers disagree on what they do. Anything else (comments) is ignored.
   */
  #takeGlobal(body: Buffer): void {
    const records: PaxRecords = new Map();
    parsePax(body, records);
    for (const [keyword, value] of records) {
      if (/^(path|linkpath|size|GNU\.sparse\..*)$/.test(keyword)) {
        throw damaged(`a global extended header sets "${keyword}"`);
      }
      if (/^(uid|gid|mtime|SCHILY\.xattr\..*)$/s.test(keyword)) this.#global.set(keyword, value);
    }
    if (this.#global.size > limits.xattrs) throw beyond("its global extended headers have too many records");
  }

  #beginMember(header: Header, block: Buffer): void {
    const pax = this.#records();
    const sparse = header.typeflag === "S" ? undefined : paxSparse(pax);
    const { path, target } = assembleNames(header, pax, this.#longName, this.#longTarget, sparse?.name);
    const type = entryType(header.typeflag, path);
    const recorded = pax.get("size");
    const stored = recorded === undefined ? header.size : parseDecimal(recorded, "size");
    if (stored > limits.fileBytes) throw beyond(`a member says it has ${stored} bytes`);
    const member = { header, pax, path, target, type, stored, size: stored };
    if (header.typeflag === "S") {
      this.#oldMap = new OldGnuMap(block);
      this.#unfinished = { ...member, size: this.#oldMap.size };
      this.#state = "old map";
      if (!this.#oldMap.extended) this.#endOldMap(this.#oldMap, this.#unfinished);
    } else if (type === "file" && sparse !== undefined) {
      this.#unfinished = { ...member, size: sparse.size };
      if (sparse.runs !== undefined) {
        this.#announceSparse(this.#unfinished, sparse.runs, stored);
      } else {
        this.#leadingMap = new LeadingMap();
        this.#state = "leading map";
      }
    } else {
      this.#announce(member, undefined, stored);
    }
  }

  /** The records for one member: the global ones below its own; an empty value takes a record away (POSIX). */
  #records(): PaxRecords {
    if (this.#global.size === 0 && this.#pax === undefined) return noRecords;
    const records = new Map([...this.#global, ...(this.#pax ?? [])]);
    for (const [keyword, value] of records) {
      if (value === "" && !keyword.startsWith("SCHILY.xattr.")) records.delete(keyword);
    }
    return records;
  }

  #takeOldMap(block: Buffer): void {
    if (this.#oldMap === undefined || this.#unfinished === undefined) return;
    this.#oldMap.add(block);
    if (!this.#oldMap.extended) this.#endOldMap(this.#oldMap, this.#unfinished);
  }

  #endOldMap(map: OldGnuMap, member: Unfinished): void {
    this.#oldMap = undefined;
    this.#announceSparse(member, map.runs, member.stored);
  }

  #takeLeadingMap(block: Buffer): void {
    if (this.#leadingMap === undefined || this.#unfinished === undefined) return;
    const runs = this.#leadingMap.add(block);
    if (this.#leadingMap.bytes > this.#unfinished.stored)
      throw damaged("a sparse file has no room for its map");
    if (runs !== undefined)
      this.#announceSparse(this.#unfinished, runs, this.#unfinished.stored - this.#leadingMap.bytes);
  }

  #announceSparse(member: Unfinished, runs: readonly SparseRun[], stored: number): void {
    if (member.size > limits.fileBytes) throw beyond(`a sparse file says it has ${member.size} bytes`);
    const checked = checkRuns(runs, member.size, stored);
    this.#runs += checked.length;
    if (this.#runs > limits.sparseRunsTotal) throw beyond("the sparse files have too many runs");
    this.#unfinished = undefined;
    this.#leadingMap = undefined;
    this.#announce(member, checked, stored);
  }

  /** Tells the handler about a member, and gets ready for `stored` bytes of it. */
  #announce(member: Unfinished, runs: readonly SparseRun[] | undefined, stored: number): void {
    const { header, pax, path, target, type } = member;
    this.#handler.entry({
      path,
      type,
      size: type === "file" ? member.size : 0,
      target,
      attributes: attributesOf(header, pax),
      major: header.major,
      minor: header.minor,
      runs,
    });
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longTarget = undefined;
    if (type !== "file") {
      this.#handler.end();
      this.#skipDataOf(header.typeflag, stored);
      return;
    }
    this.#left = stored;
    this.#padding = paddingOf(stored);
    this.#state = "data";
    if (stored === 0) this.#endData();
  }

  /** The types 1 to 6 have no data, whatever their size field says; a GNU backup gives its directories a list. */
  #skipDataOf(typeflag: string, stored: number): void {
    // GNU tar itself would skip this data when it lists an archive, and read it as members when it extracts.
    if (typeflag !== "D" && !/[1-6]/.test(typeflag) && stored > 0) throw damaged("a directory has data");
    this.#skip(typeflag === "D" ? stored + paddingOf(stored) : 0);
  }

  #endData(): void {
    this.#handler.end();
    this.#skip(this.#padding);
  }

  #skip(count: number): void {
    this.#left = count;
    this.#state = count === 0 ? "header" : "skip";
  }
}

const noRecords: PaxRecords = new Map();

const paddingOf = (size: number) => (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;

function untilNul(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString("latin1", 0, end === -1 ? body.length : end);
}
