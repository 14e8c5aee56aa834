/** First and longest pause between two looks at a lock that another process holds. */
const PAUSE_MS = { first: 5, longest: 100 };

/**
 * Looks again and again whether a lock can be taken. flock(2) has no event, and waiting in it would block the whole
 * program: this is the one place that polls.
 *
 * @param look takes the lock, or returns undefined.
 * @throws the signal's reason; whatever `look` throws.
 */
export async function untilLocked<Lock>(look: () => Lock | undefined, signal?: AbortSignal): Promise<Lock> {
  for (let pause = PAUSE_MS.first; ; pause = Math.min(pause * 2, PAUSE_MS.longest)) {
    signal?.throwIfAborted();
    const lock = look();
    if (lock !== undefined) return lock;
    await Bun.sleep(pause);
  }
}

/**
 * As `untilLocked`, without giving way to anything else, for locks that others hold for a moment only.
 *
 * @param looks how often at most.
 */
export function tryForAMoment<Lock>(look: () => Lock | undefined, looks: number): Lock | undefined {
  for (let count = 1; ; count++) {
    const lock = look();
    if (lock !== undefined || count === looks) return lock;
    Bun.sleepSync(PAUSE_MS.first);
  }
}
