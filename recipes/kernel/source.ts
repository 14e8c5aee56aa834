import {
  type DebianPackage,
  distribution,
  distributionSources,
  isAvailable,
  resolvePackages,
  updateLists,
} from "../../build/apt.ts";

/** Kernels with years of fixes ahead, the one that our configuration is tested with first. */
const longterm = ["6.12", "6.18"];

export interface KernelSource {
  readonly package: DebianPackage;
  /** apt's sources that offer it. */
  readonly sources: readonly string[];
}

/**
 * The package of Linux's source that this machine's release has: `linux-source-6.12`, or of a newer longterm kernel.
 *
 * @param fresh look again with new package lists before saying no.
 * @returns undefined where there is none.
 */
export async function kernelSource(fresh: boolean): Promise<KernelSource | undefined> {
  const sources = await distributionSources();
  const found = await findPackage(sources);
  if (found !== undefined || !fresh) return found;
  await updateLists();
  return await findPackage(sources);
}

async function findPackage(sources: readonly string[]): Promise<KernelSource | undefined> {
  for (const series of longterm) {
    const name = `linux-source-${series}`;
    if (!(await isAvailable(name, sources))) continue;
    const entry = (await resolvePackages([name], sources)).find((candidate) => candidate.name === name);
    if (entry !== undefined) return { package: entry, sources };
  }
  return undefined;
}

/** Whether the system is one of those whose packages we know; elsewhere the recipe is not tried. */
export function hasPackages(): boolean {
  try {
    distribution();
    return true;
  } catch {
    return false;
  }
}
