import { afterEach, beforeEach, expect, test } from "bun:test";
import { BareGuest, GATEWAY, ipv4, udp } from "../guest.fixture.ts";
import { short } from "../wire/address.ts";

let guest: BareGuest;
beforeEach(async () => {
  guest = await BareGuest.start();
});
afterEach(() => guest.close());

const published = { protocol: "udp", hostAddress: "127.0.0.1", hostPort: 0, guestPort: 7777 } as const;

/** Answers the next datagram that comes to the guest. */
async function answerOne(since: number, text: string): Promise<void> {
  const frame = await guest.until(() => guest.frames.slice(since).find((frame) => frame[23] === 17));
  await guest.send(ipv4(GATEWAY, 17, udp(short(frame, 36), short(frame, 34), Buffer.from(text))));
}

test("a client of a published port is answered by the machine's next VM, too", async () => {
  const { hostPort } = await guest.stack.publish(published);
  let heard = Promise.withResolvers<string>();
  const client = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port: hostPort },
    socket: { data: (_, bytes) => heard.resolve(bytes.toString()) },
  });
  for (const text of ["first", "second"]) {
    heard = Promise.withResolvers();
    const since = guest.frames.length;
    client.send("question");
    await answerOne(since, text);
    expect(await heard.promise).toBe(text);
    await guest.connect();
    await guest.settled();
  }
  client.close();
});

test("a port that is published while the network closes does not stay open", async () => {
  const publishing = guest.stack.publish(published);
  guest.stack.close();
  expect(await publishing.catch((error) => error.code)).toBe("port.failed");
});
