import { writeQuery } from "../../src/net/dns/write.ts";

/**
 * Questions for the IPv4 address of a name, over UDP.
 *
 *     bun bench/support/net-questions.ts SERVER NAME COUNT AT-ONCE
 *
 * Prints how many milliseconds all took. Fails when an answer has no address, or does not come within ten seconds.
 */
const [server = "", name = "", count, atOnce] = process.argv.slice(2);
const TYPE_A = 1;
const waiting = new Map<number, (answer: Uint8Array) => void>();
const socket = await Bun.udpSocket({
  connect: { hostname: server, port: 53 },
  socket: {
    data(_, bytes) {
      const id = bytes.readUInt16BE(0);
      waiting.get(id)?.(bytes);
      waiting.delete(id);
    },
  },
});
const limit = setTimeout(() => {
  console.error("an answer is missing");
  process.exit(1);
}, 10_000);

let begun = 0;
async function ask(): Promise<void> {
  while (begun < Number(count)) {
    const id = begun++ & 0xffff;
    const answer = await new Promise<Uint8Array>((resolve) => {
      waiting.set(id, resolve);
      socket.send(writeQuery(name, TYPE_A, id));
    });
    // The number of answers (RFC 1035, section 4.1.1).
    if (answer[7] === 0) {
      console.error("no address");
      process.exit(1);
    }
  }
}
const start = performance.now();
await Promise.all(Array.from({ length: Number(atOnce) }, ask));
clearTimeout(limit);
console.log((performance.now() - start).toFixed(1));
process.exit(0);
