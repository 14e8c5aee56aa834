/** What a client may send by mistake or in bad faith: requests whose parts fit, or do not. */

const VALUES = [
  ...[null, true, -1, 1e300, "", "x", "\u0000", "../..", "/", "/proc/self/mem", [], ["a", 1], {}, { a: 1 }],
  ...["é".repeat(5000), "evil.test/x", "sha256:0123456789ab", ["example.com"], [70_000]],
];

const KEYS = [
  ...[
    "command",
    "path",
    "id",
    "action",
    "name",
    "machine",
    "content",
    "from",
    "to",
    "files",
    "timeout_s",
    "depth",
  ],
  ...[
    "glob",
    "image",
    "network",
    "ports",
    "memory_mb",
    "cpus",
    "wait_s",
    "stdout_offset",
    "input",
    "env",
    "cwd",
  ],
];

const METHODS = [
  "tools/call",
  "tools/call",
  "tools/call",
  "tools/list",
  "ping",
  "server/discover",
  "initialize",
  "x",
];

const TOOLS = [
  ...["run", "exec", "process", "read_file", "write_file", "edit_file", "list_files", "copy", "machines"],
  ...["none", "", "constructor"],
];

/** @param random numbers from 0 to 1 */
export function randomCalls(random: () => number, count: number): { method: string; params: object }[] {
  const whole = (most: number) => Math.floor(random() * most);
  const pick = <T>(list: readonly T[]): T => list[whole(list.length)] as T;
  return Array.from({ length: count }, () => {
    const some = Object.fromEntries(Array.from({ length: whole(4) }, () => [pick(KEYS), pick(VALUES)]));
    return {
      method: pick(METHODS),
      params: { name: pick(TOOLS), arguments: pick([some, some, pick(VALUES)]) },
    };
  });
}

/** Requests that a client has under way at once: a server refuses more than 64. */
const AT_ONCE = 8;

/** Does something with each, some at a time. */
export async function withEach<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const waiting = all.values();
  const worker = async () => {
    for (const one of waiting) await work(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
