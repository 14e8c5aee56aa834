/** Writes a tar archive (POSIX.1-1988 ustar) of what a recipe puts together. */

export interface TarEntry {
  /** Without a leading slash; at most 100 bytes. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly content: { directory: true } | { symlink: string } | { file: Uint8Array };
}

const BLOCK = 512;

/** The archive's bytes, entry by entry, in the order given. Times are `seconds` since 1970. */
export async function* writeTar(entries: Iterable<TarEntry>, seconds: number): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    yield header(entry, seconds);
    if (!("file" in entry.content)) continue;
    const { file } = entry.content;
    yield file;
    const rest = file.length % BLOCK;
    if (rest > 0) yield new Uint8Array(BLOCK - rest);
  }
  yield new Uint8Array(2 * BLOCK);
}

function header({ path, mode, uid, gid, content }: TarEntry, seconds: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const text = (value: string, offset: number, length: number) => {
    if (Buffer.byteLength(value) > length) throw new Error(`too long for a ustar header: ${value}`);
    block.write(value, offset);
  };
  const octal = (value: number, offset: number, length: number) =>
    text(value.toString(8).padStart(length - 1, "0"), offset, length - 1);
  text("directory" in content ? `${path}/` : path, 0, 100);
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal("file" in content ? content.file.length : 0, 124, 12);
  octal(seconds, 136, 12);
  text(" ".repeat(8), 148, 8); // the checksum counts as blanks in itself
  text("directory" in content ? "5" : "symlink" in content ? "2" : "0", 156, 1);
  if ("symlink" in content) text(content.symlink, 157, 100);
  text("ustar\0" + "00", 257, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  text(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8);
  return block;
}
