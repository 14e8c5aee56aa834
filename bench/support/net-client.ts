/**
 * Requests of one byte, each with a connection of its own, and its answer of one byte.
 *
 *     bun bench/support/net-client.ts ADDRESS PORT COUNT AT-ONCE
 *
 * Prints how long all took, and the median and 99th percentile of one, in milliseconds.
 */
const [hostname = "", port, count, atOnce] = process.argv.slice(2);
const times: number[] = [];

const one = () =>
  new Promise<void>((resolve, reject) => {
    const begun = performance.now();
    Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        open: (socket) => void socket.write("x"),
        data(socket) {
          times.push(performance.now() - begun);
          socket.end();
          resolve();
        },
        error: (_, error) => reject(error),
        connectError: (_, error) => reject(error),
      },
    }).catch(reject);
  });

async function many(total: number): Promise<void> {
  let begun = 0;
  const worker = async () => {
    while (begun++ < total) await one();
  };
  await Promise.all(Array.from({ length: Number(atOnce) }, worker));
}

await many(200);
times.length = 0;
const begun = performance.now();
await many(Number(count));
const took = performance.now() - begun;
times.sort((a, b) => a - b);
const at = (share: number) => (times[Math.ceil(share * times.length) - 1] ?? 0).toFixed(3);
console.log(took.toFixed(1), at(0.5), at(0.99));
process.exit(0);

export {};
