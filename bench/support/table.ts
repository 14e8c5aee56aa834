import { median, minimum, type Samples } from "./rounds.ts";

/** Prints a Markdown table to stdout. */
export function printTable(
  title: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = columns.map((_, at) => (at === 0 ? "---" : "---:"));
  console.log(`\n### ${title}\n\n${[columns, rule, ...rows].map(line).join("\n")}\n`);
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

const oneLine = (text: string) => text.replaceAll(/\s+/g, " ").replaceAll("|", "/").slice(0, 100);
