import { describe, expect, it } from 'vitest';
import { decodeFrame, openFrame, sealFrame } from '../../../core/cluster/frames.ts';
import { Refusal } from '../../../core/errors.ts';
import { FRAME_PAYLOAD_BYTES_MAX } from '../../../core/limits.ts';
import { concat, utf8 } from '../../../core/wire/bytes.ts';
import { encodeCbor } from '../../../core/wire/cbor.ts';
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
  const outside = { v: 1, kind: 'frame', session: session.id, counter: 7, type: 'handover', sealed: frame.sealed };
  it('is read', () => expect(decodeFrame(encodeCbor(outside))).toEqual(frame));
  it.each<[string, object]>([
    ['another version', { v: 2 }],
    ['another kind', { kind: 'hello' }],
    ['an unknown type', { type: 'snapshot' }],
    ['the type of a prototype', { type: 'constructor' }],
    ['a short session', { session: session.id.subarray(1) }],
    ['a counter below zero', { counter: -1 }],
    ['a counter that is no whole number', { counter: 0.5 }],
    ['a counter beyond 2^53', { counter: 2n ** 60n }],
    ['a sealed text', { sealed: 'ab' }],
    ['a sealed part over its limit', { sealed: new Uint8Array(FRAME_PAYLOAD_BYTES_MAX + 17) }],
    ['a member more', { extra: 1 }],
  ])('is refused with %s', (_what, change) =>
    expect(reasonOf(() => decodeFrame(encodeCbor({ ...outside, ...change })))).toBe('frame_malformed'),
  );
  it.each(Object.keys(outside))('is refused without %s', (name) => {
    expect(reasonOf(() => decodeFrame(encodeCbor(Object.fromEntries(Object.entries(outside).filter(([key]) => key !== name)))))).toBe(
      'frame_malformed',
    );
  });
  it('is refused cut or extended', () => {
    for (let length = 0; length < sealed.length; length += 1)
      expect(reasonOf(() => decodeFrame(sealed.subarray(0, length)))).toBe('frame_malformed');
    expect(reasonOf(() => decodeFrame(concat(sealed, Uint8Array.of(0))))).toBe('frame_malformed');
  });
  it('takes the largest payload', () => {
    const largest = new Uint8Array(FRAME_PAYLOAD_BYTES_MAX);
    expect(openFrame(session, 'toResponder', decodeFrame(sealFrame(session, 'toResponder', 'handover', 1, largest)))).toHaveLength(
      FRAME_PAYLOAD_BYTES_MAX,
    );
  });
});
