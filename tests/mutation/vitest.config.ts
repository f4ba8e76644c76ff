import { defineConfig } from 'vitest/config';
import { ROOM_VARIABLE, ROOMS } from './rooms.ts';
import type { RoomName } from './rooms.ts';

const room = process.env[ROOM_VARIABLE] as RoomName;

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: [...ROOMS[room].tests],
    exclude: ['**/workerd.test.ts'],
    testTimeout: 20_000,
  },
});
