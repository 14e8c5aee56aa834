/**
 * Compares contenders side by side: in each round every one of them runs once, in an order that changes from round to
 * round, so that what else the machine does hits all of them alike. Nothing here asserts anything.
 */

export interface Contender {
  readonly name: string;
  /** Does the work once and returns what was measured, usually milliseconds. */
  readonly measure: () => Promise<number>;
}

export interface Samples {
  readonly name: string;
  readonly values: readonly number[];
  /** Runs that failed, by what they said; they are in the table, not in the numbers. */
  readonly failures: readonly string[];
}

/** Runs all contenders `rounds` times, after `warmUp` rounds that do not count. */
export async function compare(
  contenders: readonly Contender[],
  { rounds, warmUp = 1 }: { rounds: number; warmUp?: number },
): Promise<Samples[]> {
  const results = contenders.map(({ name }) => ({ name, values: [] as number[], failures: [] as string[] }));
  for (let round = -warmUp; round < rounds; round++) {
    for (let step = 0; step < contenders.length; step++) {
      const at = (step + round + warmUp) % contenders.length;
      const [contender, result] = [contenders[at], results[at]];
      if (contender === undefined || result === undefined) continue;
      try {
        const value = await contender.measure();
        if (round >= 0) result.values.push(value);
      } catch (error) {
        if (round >= 0) result.failures.push(error instanceof Error ? error.message : String(error));
      }
    }
  }
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

export const minimum = (values: readonly number[]): number => Math.min(...values);

/** The value that `share` of all values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
