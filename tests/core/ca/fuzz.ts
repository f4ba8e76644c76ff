/**
 * Bent requests against the policy: `node tests/core/ca/fuzz.ts --cases 1000000 --seed 1`. Each must give a `csr_…` reason, or a key
 * that others find in the request too, with its signature.
 */
import { webcrypto } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { keyOfCsr } from '../../../core/ca/csr-policy.ts';
import { parsePem } from '../../../core/ca/pem.ts';
import { Refusal } from '../../../core/errors.ts';
import { hex } from '../../../core/wire/bytes.ts';
import { createDice, createMutator } from './mutations.ts';
import { secondOpinion } from './second-opinion.ts';

const EXPECTED = /^(?:key$|csr_)/;

export interface FuzzResult {
  /** How many of each reason; `key` for those that gave one. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  /** What went wrong first, with the seed of that case alone. */
  readonly failure: string | undefined;
}

/**
 * Case n has the seed `seed + n`, so that one case can be run again without those before it. The others, slower than the policy by far,
 * are asked about one key in `keysPerOpinion`.
 */
export async function fuzz(cases: number, seed: number, keysPerOpinion: number): Promise<FuzzResult> {
  const mutate = createMutator();
  const outcomes: Record<string, number> = {};
  let slowestMs = 0;
  for (let index = 0; index < cases; index += 1) {
    const { csr, what } = mutate(createDice(seed + index));
    const startedAtMs = performance.now();
    const { outcome, key } = judge(csr);
    slowestMs = Math.max(slowestMs, performance.now() - startedAtMs);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    const isAsked = key && (outcomes[outcome] as number) % keysPerOpinion === 0;
    const wrong = isAsked ? await disagreement(csr, key) : EXPECTED.test(outcome) ? undefined : outcome;
    if (wrong !== undefined) return { outcomes, slowestMs, failure: `seed ${seed + index} (${what}): ${wrong}\n${hex(csr)}` };
  }
  return { outcomes, slowestMs, failure: undefined };
}

function judge(csr: Uint8Array): { outcome: string; key?: Uint8Array } {
  try {
    return { outcome: 'key', key: keyOfCsr(csr) };
  } catch (error) {
    return { outcome: error instanceof Refusal ? error.reason : String(error) };
  }
}

/** Why a request that we took should not have been: by a library of others, and by arithmetic where it reads more than we do. */
async function disagreement(csr: Uint8Array, key: Uint8Array): Promise<string | undefined> {
  const der = csr[0] === 0x30 ? csr : (parsePem('CERTIFICATE REQUEST', csr) as Uint8Array);
  let read: Pkcs10CertificateRequest;
  try {
    read = new Pkcs10CertificateRequest(der as Uint8Array<ArrayBuffer>);
  } catch {
    // Names and attributes, which we step over, may be nothing to it.
    return secondOpinion(der, key);
  }
  if (hex(new Uint8Array(read.publicKey.rawData)) !== hex(key)) return 'the library read another key';
  return (await read.verify(webcrypto as unknown as Crypto)) ? undefined : 'the library found the signature wrong';
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      'keys-per-opinion': { type: 'string', default: '10' },
    },
  });
  const startedAtMs = performance.now();
  const { outcomes, slowestMs, failure } = await fuzz(Number(values.cases), Number(values.seed), Number(values['keys-per-opinion']));
  console.log(outcomes);
  console.log(
    `${values.cases} cases in ${((performance.now() - startedAtMs) / 1_000).toFixed(0)} s, the slowest judged in ${slowestMs.toFixed(1)} ms`,
  );
  if (failure === undefined) return;
  console.error(failure);
  process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
