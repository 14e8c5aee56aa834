import { msSinceBoot } from "../../../../ffi/clock.ts";

/** Takes a timer back; more than once does no harm. */
export type Cancel = () => void;

/** Time, for everything that supervises: tests have one that they move by hand. */
export interface Clock {
  /** Milliseconds since the epoch, to be shown. Jumps when somebody sets the host's clock. */
  date(): number;
  /** Milliseconds since some moment. Time for which the host sleeps counts; setting its clock changes nothing. */
  elapsed(): number;
  /** Calls once, after so many milliseconds for which the host was awake; never at once. */
  after(ms: number, call: () => void): Cancel;
}

/** The longest time that setTimeout knows: it takes a longer one for none at all. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The host's own. */
export const hostClock: Clock = {
  date: Date.now,
  elapsed: msSinceBoot,
  after(ms, call) {
    let timer: Timer;
    const wait = (left: number) => {
      const part = Math.min(left, LONGEST_TIMER_MS);
      timer = setTimeout(() => (left > part ? wait(left - part) : call()), part);
    };
    wait(Math.ceil(ms));
    return () => clearTimeout(timer);
  },
};

/** How late an alarm may be after the host has slept. Timers do not count sleep; looking once a minute costs nothing. */
const LOOK_MS = 60_000;

/**
 * Calls once, when `elapsed()` has reached `at`: also soon after a sleep of the host in which that moment was, and
 * however far away it is. Never at once.
 */
export function setAlarm(clock: Clock, at: number, call: () => void): Cancel {
  let cancel: Cancel;
  const wait = () => {
    const left = Math.max(0, at - clock.elapsed());
    cancel = clock.after(Math.min(left, LOOK_MS), () => (clock.elapsed() < at ? wait() : call()));
  };
  wait();
  return () => cancel();
}

/** A busy host delays a timer by less than this. */
const DELAY_MS = 5000;

/**
 * Whether a wait was interrupted: the host slept, or this process was stopped. What did not happen meanwhile says
 * nothing about the guest, which was stopped too.
 *
 * @param expectedMs how long it should have taken
 * @param tookMs how long it took, by `elapsed()`
 */
export function wasInterrupted(expectedMs: number, tookMs: number): boolean {
  return tookMs > Math.max(3 * expectedMs, expectedMs + DELAY_MS);
}
