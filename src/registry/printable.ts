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
