import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { cacheRoot, sha256 } from "./host.ts";

/**
 * Remembers what apt answered until its package lists or sources change: a question costs it about a second, and a
 * build that has nothing to do asks six.
 *
 * @param question everything that the answer depends on besides the lists, the code that asks included.
 */
export async function remembered<T>(question: unknown, ask: () => Promise<T>): Promise<T> {
  const directory = `${cacheRoot()}/apt`;
  mkdirSync(directory, { recursive: true });
  const path = () =>
    `${directory}/answer-${sha256(JSON.stringify([question, listsState()])).slice(0, 32)}.json`;
  try {
    return JSON.parse(readFileSync(path(), "utf8")) as T;
  } catch {
    const answer = await ask();
    const unfinished = `${directory}/answer.${process.pid}`;
    writeFileSync(unfinished, JSON.stringify(answer));
    renameSync(unfinished, path()); // asking may have fetched new lists: the answer belongs to those
    return answer;
  }
}

/** Change times of apt's lists and of the files that say which there are. */
function listsState(): string[] {
  const files = ["/etc/os-release", "/var/lib/apt/lists", "/etc/apt/sources.list", "/etc/apt/sources.list.d"];
  return [...files, ...entries("/etc/apt/sources.list.d")].map(
    (path) => `${path} ${statSync(path, { throwIfNoEntry: false })?.mtimeMs}`,
  );
}

function entries(directory: string): string[] {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(directory).map((name) => `${directory}/${name}`);
}
