const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/**
 * A number of bytes for people, in binary units as everywhere in this program: `0 B`, `3.4 MiB`, `120 MiB`, at most
 * 8 characters up to 1024 PiB. Sizes may come from a registry: what is no size counts as 0.
 */
export function formatBytes(bytes: number): string {
  let amount = Number.isFinite(bytes) ? Math.max(bytes, 0) : 0;
  let unit = 0;
  // 1023.95 would be printed as 1024.
  while (Math.round(amount) >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit++;
  }
  const digits = unit === 0 || Math.round(amount * 10) >= 1000 ? 0 : 1;
  return `${amount.toFixed(digits)} ${UNITS[unit]}`;
}
