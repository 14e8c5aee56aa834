/** Stands for what a command will do once the machine library does it. */
export function notWired(command: string): Promise<number> {
  throw new Error(`not wired yet: ${command}`);
}
