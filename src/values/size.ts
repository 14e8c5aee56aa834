const POWERS: Readonly<Record<string, number>> = { K: 1, M: 2, G: 3, T: 4 };

/**
 * A size: `512M`, `2G`, `1.5GiB`, `64mb`. Units are binary whatever their spelling, as in docker.
 *
 * @param ownPower what a number without a unit counts, as a power of 1024; undefined refuses such a number
 * @returns bytes, perhaps not a whole number; undefined when the text is no size
 */
export function bytesIn(text: string, ownPower?: number): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*(?:([KMGT])(?:i?B)?)?$/i.exec(text);
  const power = match?.[2] === undefined ? ownPower : POWERS[match[2].toUpperCase()];
  return match?.[1] === undefined || power === undefined ? undefined : Number(match[1]) * 1024 ** power;
}
