import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JSON_DEPTH_MAX } from '../../../core/limits.ts';
import { canonicalJson, parseJsonObject, unknownMember } from '../../../core/wire/json.ts';
import type { Json } from '../../../core/wire/json.ts';

describe('the canonical form', () => {
  it('sorts keys at every depth and writes no space', () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }], a: { z: true, y: 'x' } })).toBe('{"a":{"y":"x","z":true},"b":[{"c":null,"d":1}]}');
  });
  it('leaves out members that are undefined', () => expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}'));
  it('does not escape letters beyond ASCII, as the platform does not', () => expect(canonicalJson({ key: 'ключ' })).toBe('{"key":"ключ"}'));
  it('writes __proto__ as the ordinary name that it is', () => {
    expect(canonicalJson(JSON.parse('{"b":1,"__proto__":{"a":2}}') as Json)).toBe('{"__proto__":{"a":2},"b":1}');
  });
  it('is one text for one value, whatever the order of its members', () =>
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const reversed = JSON.parse(JSON.stringify(value), (_key, member: unknown) =>
          typeof member === 'object' && member !== null && !Array.isArray(member)
            ? Object.fromEntries(Object.entries(member).toReversed())
            : member,
        ) as Json;
        const normal = JSON.parse(JSON.stringify(value)) as Json;
        expect(canonicalJson(reversed)).toBe(canonicalJson(normal));
        expect(JSON.parse(canonicalJson(normal))).toEqual(normal);
      }),
    ));
});

describe('an object from outside', () => {
  it('is read', () => expect(parseJsonObject(' {"a":1} ')).toEqual({ a: 1 }));
  it.each(['', 'null', '1', '"a"', '[]', '[{}]', '{', '{"a":1}x', "{'a':1}", '{"a":1,}', '\uFEFF{}'])('is not %j', (text) =>
    expect(parseJsonObject(text)).toBeUndefined(),
  );
  it('reaches no prototype through __proto__', () => {
    const object = parseJsonObject('{"__proto__":{"polluted":true},"constructor":1}');
    expect(object?.['polluted']).toBeUndefined();
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.keys(object ?? {})).toEqual(['__proto__', 'constructor']);
  });
  it('names __proto__ among its unknown members', () =>
    expect(unknownMember(parseJsonObject('{"a":1,"__proto__":2}') ?? {}, ['a'])).toBe('__proto__'));
  it('has no unknown member when it has known ones only', () => expect(unknownMember({ a: 1 }, ['a', 'b'])).toBeUndefined());
  const nested = (depth: number, open = '[', close = ']') => `{"a":${open.repeat(depth - 1)}1${close.repeat(depth - 1)}}`;
  it.each([1, 2, JSON_DEPTH_MAX - 1, JSON_DEPTH_MAX])('is read at a depth of %i', (depth) => {
    expect(parseJsonObject(nested(depth))).toBeDefined();
    expect(parseJsonObject(nested(depth, '{"b":', '}'))).toBeDefined();
  });
  it.each([JSON_DEPTH_MAX + 1, 10_000, 1_500_000])('is refused at a depth of %i, before anything is built of it', (depth) => {
    expect(parseJsonObject(nested(depth))).toBeUndefined();
    expect(parseJsonObject(nested(depth, '{"b":', '}'))).toBeUndefined();
    expect(parseJsonObject('['.repeat(depth))).toBeUndefined();
  });
  it('may have any brackets in its texts, escapes or not', () => {
    const text = `${'[{'.repeat(100)}"\\"${']}'.repeat(3)}\\`;
    const object = { [text]: [text, { a: text }], b: '\\"[' };
    expect(parseJsonObject(JSON.stringify(object))).toEqual(object);
    expect(parseJsonObject(`{"a":"${'\\'.repeat(7)}${'['.repeat(100)}`)).toBeUndefined();
  });
  it('is judged by its depth as a parser of its own would', () =>
    fc.assert(
      fc.property(fc.object({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        expect(parseJsonObject(text)).toEqual(JSON.parse(text));
      }),
    ));
});
