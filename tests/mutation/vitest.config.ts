import { defineConfig } from 'vitest/config';
import { ROOM_VARIABLE, ROOMS } from './rooms.ts';
import type { RoomName } from './rooms.ts';

const room = process.env[ROOM_VARIABLE] as RoomName;

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: [...ROOMS[room].tests],
    // A million nonces, or whole documents flipped byte by byte, take seconds for each change that nothing else notices; and another runtime
    // is not what is changed.
    exclude: ['**/workerd.test.ts', '**/*flips*.test.ts', '**/nonces-million.test.ts'],
    testTimeout: 20_000,
  },
});
