import { expect, test } from "bun:test";
import { array, assert, nat, property, record } from "fast-check";
import { Budget } from "../budget.ts";
import { Receiver } from "./receiver.ts";
import { SendQueue } from "./send-queue.ts";

/** Byte number n of the stream. */
const byteAt = (place: number) => (place * 7 + (place >> 8)) & 255;
const piece = (place: number, length: number) => Uint8Array.from({ length }, (_, i) => byteAt(place + i));

test("a send queue has at each place what was put there, until it is dropped", () => {
  const step = record({ kind: nat(2), amount: nat(400), place: nat(1000) });
  assert(
    property(array(step, { maxLength: 200 }), (steps) => {
      const queue = new SendQueue();
      let dropped = 0;
      let cost = 0;
      for (const { kind, amount, place } of steps) {
        if (kind === 0 && amount > 0) {
          const chunk = piece(queue.end, amount);
          cost += SendQueue.cost(chunk);
          queue.push(chunk);
        } else if (kind === 1) {
          dropped = Math.min(queue.end, dropped + amount);
          cost -= queue.drop(dropped);
        } else {
          const from = dropped + (queue.end > dropped ? place % (queue.end - dropped) : 0);
          const length = Math.min(amount, queue.end - from);
          const target = new Uint8Array(length + 2);
          queue.copy(from, length, target, 1);
          expect(target).toEqual(Uint8Array.from([0, ...piece(from, length), 0]));
        }
      }
      expect(cost - queue.drop(queue.end)).toBe(0);
    }),
  );
});

test("a receiver gives each byte once and in order, whatever comes and whatever the host takes", () => {
  const step = record({ place: nat(3000), length: nat(700), takes: nat(900), drain: nat(3) });
  assert(
    property(array(step, { maxLength: 120 }), nat(2500), (steps, size) => {
      const budget = new Budget(1 << 20, 1 << 20);
      let takes = 0;
      let got = 0;
      let ends = 0;
      const receiver = new Receiver(
        {
          take(bytes) {
            const taken = Math.min(takes, bytes.length);
            takes -= taken;
            expect(bytes.subarray(0, taken)).toEqual(piece(got, taken));
            got += taken;
            return taken;
          },
          onEnd: () => void ends++,
        },
        budget,
      );
      const give = (place: number, length: number) => {
        const from = Math.min(place, size);
        const to = Math.min(from + length, size);
        const bytes = Uint8Array.from([9, ...piece(from, to - from), 9]);
        receiver.receive(from, bytes, 1, bytes.length - 1, to === size);
        bytes.fill(0);
      };
      for (const { place, length, takes: more, drain } of steps) {
        takes = more;
        give(place, length);
        if (drain === 0) receiver.drain();
        expect(got + receiver.keptBytes).toBe(Math.min(receiver.next, size));
      }
      takes = Number.POSITIVE_INFINITY;
      give(0, size);
      receiver.drain();
      expect([got, receiver.hasFin, ends]).toEqual([size, true, 1]);
      receiver.stop();
      expect(budget.used).toBe(0);
    }),
  );
});
