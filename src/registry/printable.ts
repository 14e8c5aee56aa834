/**
 * A stranger's text for one line of a message: no control, bidirectional or other invisible characters (they could
 * rewrite the terminal or hide what they say), whitespace folded, at most `max` characters.
 */
export function printable(text: string, max = 200): string {
  const cleaned = text
    // Far more than is shown, so that a long text costs nothing.
    .slice(0, 16 * max)
    .replace(/[\s\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]+/gu, " ")
    .trim();
  return cleaned.length > max ? `${cleaned.slice(0, max - 1)}…` : cleaned;
}

/**
 * The text in quotes, as it was given: blanks at its ends stay to be seen, and what printing would change or hide is
 * written as JSON does (`\u202e`). At most about `max` characters.
 */
export function quoted(text: string, max = 200): string {
  let shown = "";
  for (const character of text.slice(0, max)) {
    if (shown.length >= max - 1) break;
    shown += hidden.test(character) ? escaped(character) : JSON.stringify(character).slice(1, -1);
  }
  return `"${shown}${shown.length >= max - 1 || text.length > max ? "…" : ""}"`;
}

const hidden = /^(?! )[\s\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Z}]$/u;

const escaped = (character: string) =>
  JSON.stringify(character)
    .slice(1, -1)
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
