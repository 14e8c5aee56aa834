/** Joins lists of `NAME=value`; a later entry replaces an earlier one of the same name, in its place. */
export function mergeEnvironment(...lists: (readonly string[])[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of lists.flat()) {
    const name = entry.split("=", 1)[0] as string;
    if (name !== "") merged.set(name, entry);
  }
  return [...merged.values()];
}
