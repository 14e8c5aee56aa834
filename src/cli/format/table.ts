/** A column of a table; titles and widths are part of what scripts rely on. */
export interface Column<Row> {
  readonly title: string;
  readonly width: number;
  readonly align: "left" | "right";
  /** The cell, without control characters. */
  readonly text: (row: Row) => string;
}

export interface TableOptions<Row> {
  /** Columns become as wide as what is in them, rather than cutting it off. */
  readonly full?: boolean | undefined;
  /** Lines below a row. */
  readonly details?: ((row: Row) => readonly string[]) | undefined;
}

/** Titles, a line of dashes and a line for each row, with a final newline; no line ends with a blank. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { full = false, details }: TableOptions<Row> = {},
): string {
  const widths = columns.map(({ title, width, text }) =>
    full ? Math.max(width, title.length, ...rows.map((row) => text(row).length)) : width,
  );
  const line = (cell: (column: Column<Row>) => string) =>
    columns
      .map((column, index) => {
        const width = widths[index] ?? column.width;
        const text = shorten(cell(column), width);
        return column.align === "left" ? text.padEnd(width) : text.padStart(width);
      })
      .join(" ")
      .trimEnd();
  const titles = line(({ title }) => title);
  const dashes = "-".repeat(widths.reduce((sum, width) => sum + width + 1, -1));
  const lines = rows.flatMap((row) => [line(({ text }) => text(row)), ...(details?.(row) ?? [])]);
  return `${[titles, dashes, ...lines].join("\n")}\n`;
}

/** At most `width` characters: the middle goes, because names of images differ at both ends. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const end = Math.floor((width - 3) / 2);
  return `${text.slice(0, width - 3 - end)}...${text.slice(text.length - end)}`;
}
