/** Says back what it hears, on a port of every address. `bun bench/support/net-echo.ts PORT` */
Bun.listen({
  hostname: "0.0.0.0",
  port: Number(process.argv[2]),
  socket: { data: (socket, bytes) => void socket.write(bytes) },
});
console.log("ready");
