import { expect, it } from 'vitest';
import { createNonceMemory } from './nonces.ts';

const nonce = (count: number): Uint8Array => new Uint8Array(new Uint32Array([count, 0, 0]).buffer);

it('remembers 4096 pairs and forgets the oldest for the next', () => {
  const memory = createNonceMemory();
  for (let count = 0; count < 4096; count++) memory.add('aa', nonce(count));
  expect(memory.has('aa', nonce(0))).toBe(true);
  memory.add('aa', nonce(4096));
  expect([0, 1, 4096].map((count) => memory.has('aa', nonce(count)))).toEqual([false, true, true]);
});

it('keeps the nonces of two clients apart and the spellings of one together', () => {
  const memory = createNonceMemory();
  memory.add('aa', nonce(1));
  expect([memory.has('bb', nonce(1)), memory.has('AA', nonce(1))]).toEqual([false, true]);
});
