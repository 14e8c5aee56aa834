/** The keys that lead to a value, from the top of a document; numbers are places in arrays, counted from 0. */
export type TomlPath = readonly (string | number)[];

/** A path as one text that no other path has. */
export function pathKey(path: TomlPath): string {
  return JSON.stringify(path);
}
