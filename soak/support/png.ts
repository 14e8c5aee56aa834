import { inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Truecolour without and with alpha (PNG, 11.2.1): bytes of a pixel. */
const BYTES_PER_PIXEL: Readonly<Record<number, number>> = { 2: 3, 6: 4 };

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue of one pixel. */
  at(x: number, y: number): readonly number[];
}

/** Reads a PNG of 8 bits without interlacing, as browsers make their pictures. @throws Error for any other */
export function readPng(bytes: Buffer): Picture {
  if (!bytes.subarray(0, 8).equals(SIGNATURE)) throw new Error("not a PNG");
  const data: Buffer[] = [];
  let header: Buffer = Buffer.alloc(13);
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString("latin1", at + 4, at + 8);
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") header = content;
    if (type === "IDAT") data.push(content);
    at += 12 + length;
  }
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const [depth = 0, color = 0, , , interlace = 0] = header.subarray(8);
  const size = BYTES_PER_PIXEL[color];
  if (depth !== 8 || size === undefined || interlace !== 0)
    throw new Error(`a PNG of another kind: ${depth} bits, colour type ${color}, interlace ${interlace}`);
  const rows = unfiltered(inflateSync(Buffer.concat(data)), width * size, height, size);
  return {
    ...{ width, height },
    at: (x, y) => [...(rows[y] as Buffer).subarray(x * size, x * size + 3)],
  };
}

/** Undoes what makes rows compress well (PNG, 9.2). */
function unfiltered(packed: Buffer, length: number, height: number, size: number): Buffer[] {
  const rows: Buffer[] = [];
  let above = Buffer.alloc(length);
  for (let y = 0; y < height; y++) {
    const start = y * (length + 1);
    const filter = packed[start] as number;
    const row = Buffer.from(packed.subarray(start + 1, start + 1 + length));
    for (let i = 0; i < length; i++) {
      const left = i < size ? 0 : (row[i - size] as number);
      const corner = i < size ? 0 : (above[i - size] as number);
      row[i] = (row[i] as number) + predicted(filter, left, above[i] as number, corner);
    }
    rows.push(row);
    above = row;
  }
  return rows;
}

function predicted(filter: number, left: number, above: number, corner: number): number {
  if (filter === 4) return paeth(left, above, corner);
  return [0, left, above, (left + above) >> 1][filter] ?? Number.NaN;
}

function paeth(left: number, above: number, corner: number): number {
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(left + above - corner - value)) as [
    number,
    number,
    number,
  ];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}
