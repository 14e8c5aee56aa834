import { median, minimum, type Samples } from "./rounds.ts";

const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

/**
 * Prints the head of a Markdown table to stdout. What was measured is then there as it comes, also when what follows
 * fails or takes too long.
 *
 * @returns prints a row
 */
export function beginTable(title: string, columns: readonly string[]): (row: readonly string[]) => void {
  const rule = columns.map((_, at) => (at === 0 ? "---" : "---:"));
  console.log(`\n### ${title}\n\n${line(columns)}\n${line(rule)}`);
  return (row) => console.log(line(row));
}

/** Prints a Markdown table to stdout. */
export function printTable(
  title: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const print = beginTable(title, columns);
  for (const row of rows) print(row);
  console.log();
}

/**
 * Prints medians and minima, and each one's ratio to the contender called `reference`.
 * @param unit of the values, e.g. `ms`
 */
export function printComparison(
  title: string,
  samples: readonly Samples[],
  reference: string,
  unit = "ms",
): void {
  const base = samples.find(({ name }) => name === reference)?.values ?? [];
  const digits = (value: number) => (Number.isFinite(value) ? value.toFixed(value < 100 ? 1 : 0) : "–");
  const ratio = (value: number, to: number) =>
    Number.isFinite(value / to) ? `${(value / to).toFixed(2)}×` : "–";
  const rows = samples.map(({ name, values, failures }) => [
    failures.length === 0 ? name : `${name} (${failures.length} failed: ${oneLine(failures[0] ?? "")})`,
    String(values.length),
    digits(median(values)),
    digits(minimum(values)),
    ratio(median(values), median(base)),
    ratio(minimum(values), minimum(base)),
  ]);
  printTable(title, ["", "runs", `median ${unit}`, `min ${unit}`, "median ratio", "min ratio"], rows);
}

/** What a failure said, as a cell of a table has it. */
export const oneLine = (text: string) => text.replaceAll(/\s+/g, " ").replaceAll("|", "/").slice(0, 100);
