import { expect, it } from 'vitest';
import { createWaitingRoom } from '../../../core/auth/waiting.ts';
import { reasonOfAsync } from '../fakes.ts';

it('a room gives up what has waited longest for the newest, and only when it is full', async () => {
  const room = createWaitingRoom(2);
  const works = Array.from({ length: 4 }, () => Promise.withResolvers<number>());
  const waits = works.map(({ promise }) => reasonOfAsync(room.wait(promise)));
  expect(await Promise.all(waits.slice(0, 2))).toEqual(['busy', 'busy']);
  works.forEach(({ resolve }, index) => resolve(index));
  expect(await Promise.all(waits)).toEqual(['busy', 'busy', 'none', 'none']);
});

it('who is quick is answered, however many are slow', async () => {
  const room = createWaitingRoom(3);
  for (let slow = 0; slow < 100; slow += 1) room.wait(new Promise(() => undefined)).catch(() => undefined);
  expect(await room.wait(Promise.resolve('quick'))).toBe('quick');
});

it('what failed by itself fails with its own reason, and makes room', async () => {
  const room = createWaitingRoom(1);
  await expect(room.wait(Promise.reject(new Error('broke off')))).rejects.toThrow('broke off');
  const held = Promise.withResolvers<string>();
  const wait = room.wait(held.promise);
  held.resolve('kept');
  expect(await wait).toBe('kept');
});
