/**
 * Connections that stay open, once each has carried a byte there and back.
 *
 *     bun bench/support/net-idle.ts ADDRESS PORT COUNT
 *
 * Prints "open", and waits to be killed.
 */
const [hostname = "", port, count] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++) {
  const answered = Promise.withResolvers<void>();
  await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      open: (socket) => void socket.write("x"),
      data: () => answered.resolve(),
      error: (_, error) => answered.reject(error),
      close: () => answered.reject(new Error("closed")),
    },
  });
  await answered.promise;
}
console.log("open");

export {};
