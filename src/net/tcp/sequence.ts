const secret = Math.floor(Math.random() * 2 ** 32);

/**
 * The sequence number with which a connection of ours begins. It moves on by 250,000 a second (RFC 9293, section 3.4.1),
 * so that a SYN for ports that the guest still remembers begins a new connection. Who could guess it sits on this wire
 * alone.
 */
export function firstSequence(): number {
  return (secret + Math.floor(performance.now() * 250)) >>> 0;
}
