/**
 * That every finding has a weakness by which its test is seen to fail (`npm run weaken` plants them, one at a time), or shows one itself; and that
 * each is still where it is planted.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { patched } from '../dst/bundle.ts';
import { CONTRACT_WEAKNESSES } from './contracts.ts';
import { isOf } from './names.ts';
import { NODE_WEAKNESSES } from './node.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const ALL = [...NODE_WEAKNESSES, ...CONTRACT_WEAKNESSES];

/** Findings whose own tests plant what is wrong and see it caught: the file, and a text of the one that does. */
const SHOWN: Readonly<Record<string, readonly [file: string, text: string]>> = {
  'S-L2': ['tests/tidy.test.ts', "plant('core/limits.ts', 'export const NOBODY_MAX = 1;')"],
  'S-L3': ['tests/tidy.test.ts', "export type Reason =\\n  | 'never_given';"],
  'S-L4': ['tests/tidy.test.ts', "'const value = JSON.parse(text);'"],
  'S-L5': ['tests/tidy.test.ts', "plant('core/auth/b.ts', 'export function hexOf() {}')"],
  'S-L10': ['tests/tidy.test.ts', "functionName: 'veto'"],
  'R-3': ['tests/core/auth/nonces-million.test.ts', 'R-3 the measure catches whoever stores a fifth of them'],
  'R-9': ['tests/docs.test.ts', 'R-9 a document that names what is not there'],
  'R-10': ['tests/enclaver.test.ts', 'would be refused with "%s" in its egress list'],
  'X-5': [
    'tests/properties/merge.test.ts',
    'X-5 would, were a tombstone collected as soon as its node alone thinks it old: this property can fail',
  ],
  'X-15': ['tests/secrecy/matcher.test.ts', 'X-15 a planted leak'],
  'X-16': ['tests/tidy.test.ts', "plant('core/auth/x.ts', 'const cache = new Map<string, string>();')"],
  'X-17': ['tests/docs.test.ts', 'without any of them'],
  'U-2': ['tests/core/store/record.test.ts', 'U-2 sealed without its header opens under every other: what this prevents'],
};

/** The rows of `docs/security.md` that do not wait. */
const findings = [...read('docs/security.md').matchAll(/^\| ([SRXU]-\w+) \|.*\| (stands|in part[^|]*) \|$/gm)].map(([, id = '']) => id);

describe('a finding', () => {
  it('is read of the page on security', () => expect(findings.length).toBeGreaterThan(60));
  it.each(findings)('%s has a weakness that its test is seen to fail of', (id) => {
    expect(ALL.some(({ ids }) => ids.includes(id)) || id in SHOWN || IN_PART.includes(id)).toBe(true);
  });
  it.each(Object.entries(SHOWN))('%s shows one itself', (_id, [file, text]) => expect(read(file)).toContain(text));
});

/** Rehearsed as a whole when all of it is there. */
const IN_PART = ['X-12'];

describe('a weakness', () => {
  it.each(ALL)('$ids: $what, is where it is planted, and has its test', ({ ids, test, patches }) => {
    expect(patches.length).toBeGreaterThan(0);
    for (const file of new Set(patches.map((patch) => patch.file))) expect(patched(file, read(file), patches)).not.toBe(read(file));
    expect(ids.every((id) => isOf(read(test), [id]))).toBe(true);
    const row = (id: string) =>
      read('docs/security.md')
        .split('\n')
        .find((line) => line.startsWith(`| ${id} |`)) ?? '';
    expect(ids.filter((id) => !row(id).includes(`\`${test}\``))).toEqual([]);
  });
});

describe('the name of a test', () => {
  it.each<[string, boolean]>([
    ['S-L1 is read', true],
    ['S-M2 S-L1 is read', true],
    ['S-L10 is read', false],
    ['XS-L1 is read', false],
    ['test_S_L1_isRead()', true],
    ['test_S_L10_isRead()', false],
  ])('"%s" is of S-L1: %s', (name, isIts) => expect(isOf(name, ['S-L1'])).toBe(isIts));
});
