import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";

/** What the bytes after the present ones are. */
type Part = "magic" | "skippable size" | "descriptor" | "frame header" | "block header" | "checksum";

/**
 * Follows the frames of a zstd stream (RFC 8878, section 3) without decompressing them. The decoder of the runtime
 * takes the end of its input for the end of the stream, wherever that is, and sometimes ignores what follows the last
 * frame; here, both are errors. So are windows above the limit and dictionaries, before any memory is spent on them.
 */
export class ZstdFrames {
  #part: Part = "magic";
  /** Bytes of the present part, and how many it has. */
  readonly #bytes = Buffer.alloc(16);
  #have = 0;
  #need = 4;
  /** Bytes of block or frame contents to pass over. */
  #skip = 0;
  #descriptor = 0;
  #lastBlock = false;

  /** Looks at the next bytes of the stream. @throws SmolError when they cannot be zstd, or ask for too much. */
  add(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const skipped = Math.min(this.#skip, chunk.length - at);
      this.#skip -= skipped;
      at += skipped;
      if (this.#skip > 0 || at === chunk.length) break;
      this.#bytes[this.#have++] = chunk[at++] ?? 0;
      if (this.#have === this.#need) this.#takers[this.#part](this.#bytes);
    }
  }

  /** Says that the stream ends here. @throws SmolError when that is inside a frame. */
  finish(): void {
    if (this.#part !== "magic" || this.#have > 0 || this.#skip > 0) throw refused("it ends early");
  }

  /** What happens when a part is complete. */
  readonly #takers: Readonly<Record<Part, (bytes: Buffer) => void>> = {
    magic: (bytes) => this.#takeMagic(bytes.readUInt32LE(0)),
    "skippable size": (bytes) => {
      this.#skip = bytes.readUInt32LE(0);
      this.#expect("magic", 4);
    },
    descriptor: (bytes) => this.#takeDescriptor(bytes[0] ?? 0),
    "frame header": () => this.#takeFrameHeader(),
    "block header": (bytes) => this.#takeBlock(bytes.readUIntLE(0, 3)),
    checksum: () => this.#expect("magic", 4),
  };

  #takeMagic(magic: number): void {
    if (magic === 0xfd2fb528) this.#expect("descriptor", 1);
    else if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50) this.#expect("skippable size", 4);
    else throw refused("there is something else between its frames");
  }

  #takeDescriptor(descriptor: number): void {
    this.#descriptor = descriptor;
    if (this.#descriptor & 0x08) throw refused("a frame uses a reserved bit");
    const size = this.#windowBytes() + this.#dictionaryBytes() + this.#contentSizeBytes();
    if (size === 0) this.#expect("block header", 3);
    else this.#expect("frame header", size);
  }

  #takeFrameHeader(): void {
    const window = this.#windowBytes();
    const dictionary = this.#dictionaryBytes();
    if (window > 0) {
      const log = 10 + ((this.#bytes[0] ?? 0) >> 3);
      if (log > limits.zstdWindowLog) throw tooLarge();
    } else {
      // A frame in a single segment needs all of its contents in memory; a size of two bytes counts from 256.
      const length = this.#contentSizeBytes();
      const high = length === 8 ? this.#bytes.readUInt32LE(dictionary + 4) : 0;
      const low = this.#bytes.readUIntLE(dictionary, Math.min(length, 4));
      if (high > 0 || low > 2 ** limits.zstdWindowLog) throw tooLarge();
    }
    if (this.#bytes.subarray(window, window + dictionary).some((byte) => byte !== 0)) {
      throw refused("it needs a dictionary");
    }
    this.#expect("block header", 3);
  }

  #takeBlock(header: number): void {
    const type = (header >> 1) & 3;
    if (type === 3) throw refused("a block has a reserved type");
    this.#lastBlock = (header & 1) === 1;
    // A run of one byte stores only that byte.
    this.#skip = type === 1 ? 1 : header >> 3;
    if (!this.#lastBlock) this.#expect("block header", 3);
    else if (this.#descriptor & 0x04) this.#expect("checksum", 4);
    else this.#expect("magic", 4);
  }

  #expect(part: Part, need: number): void {
    this.#part = part;
    this.#have = 0;
    this.#need = need;
  }

  #windowBytes(): number {
    return this.#descriptor & 0x20 ? 0 : 1;
  }

  #dictionaryBytes(): number {
    return [0, 1, 2, 4][this.#descriptor & 3] ?? 0;
  }

  #contentSizeBytes(): number {
    const flag = this.#descriptor >> 6;
    return flag === 0 ? (this.#descriptor & 0x20 ? 1 : 0) : 2 ** flag;
  }
}

const refused = (what: string) =>
  new SmolError("image.bad_layer", `a layer cannot be decompressed (zstd): ${what}`);

const tooLarge = () =>
  new SmolError("image.limit", `a layer needs a zstd window of more than ${2 ** limits.zstdWindowLog} bytes`);
