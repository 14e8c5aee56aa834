/** The number that a soak was called with: how often it does what it does. */
export function countOr(usual: number): number {
  const [given] = process.argv.slice(2);
  if (given === undefined) return usual;
  const count = Number(given);
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`not a count: ${given}`);
  return count;
}

export const say = (text: string): void => console.log(text);

/** Runs a soak: what it throws is its failure. */
export async function soak(run: () => Promise<void>): Promise<never> {
  const start = performance.now();
  try {
    await run();
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
  say(`passed after ${Math.round((performance.now() - start) / 1000)} s`);
  process.exit(0);
}
