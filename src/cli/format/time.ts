const UNITS = [
  { name: "year", seconds: 365 * 86_400 },
  { name: "month", seconds: 30 * 86_400 },
  { name: "week", seconds: 7 * 86_400 },
  { name: "day", seconds: 86_400 },
  { name: "hour", seconds: 3600 },
  { name: "minute", seconds: 60 },
  { name: "second", seconds: 1 },
] as const;

/**
 * How long ago something was, in the words of docker and at most 14 characters: `12 minutes ago`, `1 week ago`.
 *
 * @param then seconds since 1970; a time in the future (another clock) is `just now`
 * @param now seconds since 1970
 */
export function formatAgo(then: number, now: number): string {
  const passed = Math.floor(now - then);
  const unit = UNITS.find(({ seconds }) => passed >= seconds);
  if (unit === undefined) return "just now";
  const count = Math.floor(passed / unit.seconds);
  return `${count} ${unit.name}${count === 1 ? "" : "s"} ago`;
}

/** A time span for people: `0.4 s`, `12 s`, `2 min 5 s`, `3 h 10 min`. */
export function formatSpan(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return formatRemaining(seconds);
}

/** The same in whole seconds: `0 s`, `12 s`, `2 min 5 s`. */
export function formatRemaining(given: number): string {
  const seconds = Math.round(Math.max(0, given));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
