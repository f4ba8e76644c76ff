/**
 * What the Odyn remembers of opened texts, so that one text is not opened twice.
 * The memory is short: the oldest pair is forgotten when a new one would not fit, as on the platform,
 * so nobody may rely on it against replays.
 */
const pairsMax = 4096;

export interface NonceMemory {
  has(clientPublicKey: string, nonce: Uint8Array): boolean;
  add(clientPublicKey: string, nonce: Uint8Array): void;
}

export function createNonceMemory(): NonceMemory {
  const pairs = new Set<string>();
  const pairOf = (key: string, nonce: Uint8Array): string => `${key.toLowerCase()}:${Buffer.from(nonce).toString('hex')}`;
  return {
    has: (clientPublicKey, nonce) => pairs.has(pairOf(clientPublicKey, nonce)),
    add(clientPublicKey, nonce) {
      const oldest = pairs.values().next();
      if (pairs.size === pairsMax && !oldest.done) pairs.delete(oldest.value);
      pairs.add(pairOf(clientPublicKey, nonce));
    },
  };
}
