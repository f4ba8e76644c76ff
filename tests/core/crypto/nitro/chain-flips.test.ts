/** Each byte of each certificate under a document, flipped. The document itself is signed anew. */
import { describe, expect, it } from 'vitest';
import { flipped } from '../../fakes.ts';
import { bytes, list } from '../../../attestation/cbor-writer.ts';
import { certificateOf } from '../../../attestation/certificates.ts';
import { LEAF, LEVELS, plansOf } from './chain-plans.ts';
import { documentOf, said, verify } from './documents.ts';
import type { DocumentPlan } from './documents.ts';

const names = LEVELS.map(({ name }, index) => [name, index] as const);

describe('a certificate', () => {
  it.each(names.slice(1))(
    'X-9 %s is refused with any byte of it flipped, though the document is signed anew',
    (_name, index) => {
      const certificates = plansOf().map((each) => certificateOf(each));
      const good = certificates[index] as Uint8Array;
      for (let at = 0; at < good.length; at += 1) {
        const others = certificates.with(index, flipped(good, at, at % 8)).map(bytes);
        const members: DocumentPlan['members'] = (all) => [
          ...all,
          ['certificate', others[LEAF] as Uint8Array],
          ['cabundle', list(...others.slice(0, LEAF))],
        ];
        const document = documentOf({ members: (all) => new Map(members(all)) });
        expect(said(verify(document)), `byte ${at}`).not.toBe('verified');
      }
    },
    120_000,
  );
});
