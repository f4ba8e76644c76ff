import { defineConfig } from 'vitest/config';
import { ROOM_VARIABLE, ROOMS } from './rooms.ts';
import type { RoomName } from './rooms.ts';

const room = process.env[ROOM_VARIABLE] as RoomName;

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: [...ROOMS[room].tests],
    // One of three documents flipped byte by byte is enough for each change.
    exclude: ['**/workerd.test.ts', '**/flips-{2023,2024}.test.ts'],
    testTimeout: 20_000,
  },
});
