import { Refused } from "./errors.ts";

/** So many of one kind at once, and no more. */
export class Slots {
  readonly #most: number;
  readonly #refused: () => Refused;
  #taken = 0;

  /** @param refused what a client is told that comes when all are taken */
  constructor(most: number, refused: (most: number) => Refused) {
    this.#most = most;
    this.#refused = () => refused(most);
  }

  /** @returns gives it back; again has no effect @throws Refused */
  take(): () => void {
    if (this.#taken >= this.#most) throw this.#refused();
    this.#taken++;
    let isTaken = true;
    return () => {
      if (isTaken) this.#taken--;
      isTaken = false;
    };
  }
}

/** Answers that go on for long: each holds a connection to a machine, and what is on its way through. */
const MAX_STREAMS = 512;

/** Streams that may never end: each holds a descriptor or two of this process and one of a machine's. */
const MAX_FOLLOWERS = 256;

export const streamSlots = (): Slots =>
  new Slots(MAX_STREAMS, (most) => {
    const message = `${most} streams are open already, which is as many as this server has`;
    return new Refused("UNAVAILABLE", message, { "retry-after": "1" });
  });

/** A conflict, as upstream has it. */
export const followerSlots = (): Slots =>
  new Slots(
    MAX_FOLLOWERS,
    (most) => new Refused("CONFLICT", `${most} clients follow already, which is as many as this server has`),
  );
