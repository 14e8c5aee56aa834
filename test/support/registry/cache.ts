import { readdirSync, readFileSync, statSync } from "node:fs";

/** What is in a cache of images, seen from outside. */

/** Fields of the cache's documents that say when something happened. */
const TIMES = /"(?:createdAt|lastUsedAt|usedAt|pulledAt|at|writtenInBoot)": ?(?:"[^"]*"|[\d.]+)/g;

/** In a layer that is not yet safe from a power cut. */
const bootId = readFileSync("/proc/sys/kernel/random/boot_id").subarray(0, 36);

/** Every file of a cache of images with the digest of its contents, without times of day and marks of this boot. */
export function storeContents(images: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of (readdirSync(images, { recursive: true }) as string[]).sort()) {
    const path = `${images}/${name}`;
    if (!statSync(path).isFile()) continue;
    const bytes = readFileSync(path);
    const mark = name.endsWith(".entries") ? bytes.indexOf(bootId) : -1;
    if (mark >= 0) bytes.fill(0, mark, mark + bootId.length);
    const contents = name.endsWith(".json") ? bytes.toString().replaceAll(TIMES, "") : bytes;
    found.set(name, new Bun.CryptoHasher("sha256").update(contents).digest("hex"));
  }
  return found;
}

/** What is in a cache of images besides complete images, layers and references: it must be nothing. */
export function strays(images: string): string[] {
  let names: string[];
  try {
    names = readdirSync(images, { recursive: true }) as string[];
  } catch {
    return []; // there is no cache yet
  }
  const expected =
    /^(?:layers|refs|sources|store\.lock|[0-9a-f]{64}\.(?:json|erofs|vmdk)|layers\/[0-9a-f]{64,128}\.(?:data|entries)|refs\/[0-9a-f]+\.json)$/;
  return names.filter((name) => !expected.test(name));
}

/** What makes an image of what is in a cache: descriptors and references. */
export function imagesIn(images: string): string[] {
  try {
    return [...storeContents(images).keys()].filter((name) => /vmdk$|^refs\//.test(name));
  } catch {
    return []; // there is no cache yet
  }
}
