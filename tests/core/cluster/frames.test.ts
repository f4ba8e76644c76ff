import { describe, expect, it } from 'vitest';
import { decodeFrame, openFrame, sealFrame } from '../../../core/cluster/frames.ts';
import { Refusal } from '../../../core/errors.ts';
import { FRAME_PAYLOAD_BYTES_MAX } from '../../../core/limits.ts';
import { concat, utf8 } from '../../../core/wire/bytes.ts';
import { asView, createRandom, flipped, reasonOf } from '../fakes.ts';
import type { Frame, SessionSecrets } from '../../../core/cluster/frames.ts';

const random = createRandom('frames');
const session: SessionSecrets = {
  id: random.bytes(16),
  initiatorIncarnation: random.bytes(16),
  responderIncarnation: random.bytes(16),
  keys: { toResponder: random.bytes(32), toInitiator: random.bytes(32) },
};
const payload = utf8('what one node tells another');
const sealed = sealFrame(session, 'toResponder', 'handover', 7, payload);
const frame = decodeFrame(sealed);
const open = (change: Partial<Frame> = {}, as: Partial<SessionSecrets> = {}, direction: 'toResponder' | 'toInitiator' = 'toResponder') =>
  openFrame({ ...session, ...as }, direction, { ...frame, ...change });

describe('a frame', () => {
  it('opens where it belongs', () => expect(open()).toEqual(payload));
  it('opens from a view with an offset', () => expect(openFrame(session, 'toResponder', decodeFrame(asView(sealed)))).toEqual(payload));
  it('opens when it is empty', () =>
    expect(openFrame(session, 'toResponder', decodeFrame(sealFrame(session, 'toResponder', 'endorsement', 1, new Uint8Array(0))))).toEqual(
      new Uint8Array(0),
    ));
  it('X-9 does not open, or is no frame, with any bit flipped', () => {
    for (let index = 0; index < sealed.length; index += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const reason = reasonOf(() => {
          const turned = decodeFrame(flipped(sealed, index, bit));
          // The outside names its session: who looks it up finds another one, or none.
          if (turned.session.every((byte, at) => byte === session.id[at])) openFrame(session, 'toResponder', turned);
          else throw new Refusal('session_unknown');
        });
        expect(['frame_malformed', 'frame_unauthentic', 'session_unknown']).toContain(reason);
      }
    }
  });
  it.each<[string, () => unknown]>([
    ['in the other direction', () => open({}, {}, 'toInitiator')],
    [
      'under one key for both directions',
      () => open({}, { keys: { toResponder: session.keys.toResponder, toInitiator: session.keys.toResponder } }, 'toInitiator'),
    ],
    ['as another type', () => open({ type: 'endorsement' })],
    ['under another counter', () => open({ counter: 8 })],
    ['in another session under the same keys', () => open({}, { id: random.bytes(16) })],
    ['in another boot of the initiator', () => open({}, { initiatorIncarnation: random.bytes(16) })],
    ['in another boot of the responder', () => open({}, { responderIncarnation: random.bytes(16) })],
    [
      'with the two boots swapped',
      () => open({}, { initiatorIncarnation: session.responderIncarnation, responderIncarnation: session.initiatorIncarnation }),
    ],
    ['under other keys', () => open({}, { keys: { toResponder: random.bytes(32), toInitiator: random.bytes(32) } })],
    ['cut by a byte', () => open({ sealed: frame.sealed.subarray(1) })],
    ['without its tag', () => open({ sealed: frame.sealed.subarray(0, payload.length) })],
    ['with less than a tag', () => open({ sealed: frame.sealed.subarray(0, 15) })],
    ['as nothing', () => open({ sealed: new Uint8Array(0) })],
  ])('X-9 does not open %s', (_what, opening) => expect(reasonOf(opening)).toBe('frame_unauthentic'));
  it('seals the same payload otherwise under each counter', () => {
    expect(decodeFrame(sealFrame(session, 'toResponder', 'handover', 8, payload)).sealed).not.toEqual(frame.sealed);
  });
});

describe('the outside of a frame', () => {
  const TYPE_AT = 17;
  const changed = (at: number, ...bytes: readonly number[]) => {
    const copy = sealed.slice();
    copy.set(bytes, at);
    return copy;
  };
  it('is version, session, type and counter, then what is sealed', () => {
    expect(sealed[0]).toBe(1);
    expect(sealed.slice(1, TYPE_AT)).toEqual(session.id);
    expect([...sealed.slice(TYPE_AT, TYPE_AT + 9)]).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 7]);
    expect(sealed).toHaveLength(26 + payload.length + 16);
    expect(decodeFrame(sealed)).toMatchObject({ session: session.id, type: 'handover', counter: 7 });
  });
  it.each<[string, Uint8Array]>([
    ['another version', changed(0, 2)],
    ['an unknown type', changed(TYPE_AT, 6)],
    ['a type out of range', changed(TYPE_AT, 255)],
    ['a counter of 2^53', changed(TYPE_AT + 1, 0, 0x20, 0, 0, 0, 0, 0, 0)],
    ['the largest counter there is', changed(TYPE_AT + 1, ...Array<number>(8).fill(255))],
    ['a sealed part over its limit', concat(sealed.subarray(0, 26), new Uint8Array(FRAME_PAYLOAD_BYTES_MAX + 17))],
    ['less than a tag', sealed.subarray(0, 26 + 15)],
    ['nothing at all', new Uint8Array(0)],
  ])('is refused with %s', (_what, bytes) => expect(reasonOf(() => decodeFrame(bytes))).toBe('frame_malformed'));
  it('X-9 opens nothing when it is cut or extended', () => {
    const reason = (bytes: Uint8Array) => reasonOf(() => openFrame(session, 'toResponder', decodeFrame(bytes)));
    for (let length = 0; length < sealed.length; length += 1)
      expect(['frame_malformed', 'frame_unauthentic']).toContain(reason(sealed.subarray(0, length)));
    expect(reason(concat(sealed, Uint8Array.of(0)))).toBe('frame_unauthentic');
  });
  it('takes the largest payload', () => {
    const largest = new Uint8Array(FRAME_PAYLOAD_BYTES_MAX);
    expect(openFrame(session, 'toResponder', decodeFrame(sealFrame(session, 'toResponder', 'handover', 1, largest)))).toHaveLength(
      FRAME_PAYLOAD_BYTES_MAX,
    );
  });
});
