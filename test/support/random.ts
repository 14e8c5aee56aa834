/** Random numbers that can be had again: the seed is printed, and SMOLVM_TEST_SEED sets it. */
export function seededRandom(what: string): () => number {
  const given = Number(process.env.SMOLVM_TEST_SEED);
  const seed =
    Number.isSafeInteger(given) && given > 0 ? given : (crypto.getRandomValues(new Uint32Array(1))[0] ?? 1);
  console.log(`${what}: SMOLVM_TEST_SEED=${seed}`);
  let state = seed >>> 0;
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
