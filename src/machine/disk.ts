import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { seekSparse } from "../../ffi/libc.ts";

const GIB = 1024 ** 3;

/** The sizes that the built-in templates are formatted for. */
export const TEMPLATE_GIB = { overlay: 2, storage: 20 } as const;

const COPY_BYTES = 1024 * 1024;

/**
 * Makes a sparse disk file at `path`.
 *
 * A disk of the template's size is a copy of the formatted template, which costs the few blocks that it has;
 * any other size stays blank, and the guest formats it.
 *
 * @returns whether the guest has to format the disk.
 */
export function createDisk(
  path: string,
  sizeGib: number,
  template: { path: string; gib: number },
): "blank" | "formatted" {
  const target = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    ftruncateSync(target, sizeGib * GIB);
    if (sizeGib !== template.gib) return "blank";
    const source = openSync(template.path, "r");
    try {
      copyData(source, target);
    } finally {
      closeSync(source);
    }
    return "formatted";
  } finally {
    closeSync(target);
  }
}

/** Copies only what is not a hole. */
function copyData(source: number, target: number): void {
  const { size } = fstatSync(source);
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  for (
    let offset = seekSparse(source, 0, "data");
    offset !== undefined;
    offset = seekSparse(source, offset, "data")
  ) {
    const end = seekSparse(source, offset, "hole") ?? size;
    while (offset < end) {
      const length = readSync(source, buffer, 0, Math.min(COPY_BYTES, end - offset), offset);
      if (length === 0) return;
      for (let done = 0; done < length; )
        done += writeSync(target, buffer, done, length - done, offset + done);
      offset += length;
    }
  }
}
