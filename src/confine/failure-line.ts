/** The line by which the launcher, its warden, or what takes a VMM's place says why it gave up. */
const MARK = "smolvm-vmm-failed: ";

/** The line, with its newline. */
export const failureLine = (told: object): string => `${MARK}${JSON.stringify(told)}\n`;

/**
 * Takes the line, if there is one, out of a process's messages. The last one counts: the warden writes when the process
 * that it watched is gone.
 *
 * @returns what the line says, in JSON; undefined when there is none
 */
export function takeFailureLine(messages: string): { told: string | undefined; rest: string } {
  const lines = messages.split("\n");
  const index = lines.findLastIndex((line) => line.startsWith(MARK));
  if (index === -1) return { told: undefined, rest: messages };
  const [line = ""] = lines.splice(index, 1);
  return { told: line.slice(MARK.length), rest: lines.join("\n") };
}
