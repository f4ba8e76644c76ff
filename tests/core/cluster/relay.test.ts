import { decodeFunctionData } from 'viem';
import { describe, expect, it } from 'vitest';
import { kmsNodeAbi } from '../../../core/chain/abi.ts';
import { createRelay, inContractOrder } from '../../../core/cluster/relay.ts';
import { Refusal } from '../../../core/errors.ts';
import { RELAY_GAS_PERCENT, RELAY_RETRY_BLOCKS } from '../../../core/limits.ts';
import { createClock, createRecordingLog, createStubChain, epochOf, hashOf, profile, signerNamed } from '../fakes.ts';
import { a, b, blocksOf, c, HEAD, operator, VALID_UNTIL } from './facts.ts';
import type { TransactionRequest } from '../../../core/ports.ts';

const e0 = epochOf(0);
const offer = {
  hash: hashOf(1),
  validUntilBlock: VALID_UNTIL,
  signatures: new Map([a, b, c].map((wallet, index) => [wallet, `0x0${index}` as const])),
};
const at = (blockNumber: number) => blocksOf({}, { blockNumber });

function setUp() {
  const logs = createRecordingLog();
  const signed: TransactionRequest[] = [];
  const signer = {
    ...signerNamed('a'),
    signTransaction: (request: TransactionRequest) => (signed.push(request), Promise.resolve('0x01' as const)),
  };
  const chain = { ...createStubChain(createClock()), send: () => Promise.resolve('0xhash') };
  return { logs, signed, chain, relay: createRelay({ self: a, profile, chain, signer, log: logs.log }) };
}

describe('a relay', () => {
  it('sends the activation that the contract wants: a majority, ascending by signer', async () => {
    const { relay, signed, logs } = setUp();
    await relay.send(e0, offer, at(HEAD));
    expect(signed).toMatchObject([
      {
        chainId: profile.chainId,
        to: profile.kmsRegistry,
        nonce: 0,
        gasLimit: (200_000n * RELAY_GAS_PERCENT) / 100n,
        maxPriorityFeePerGas: 1n,
        maxFeePerGas: 21n,
      },
    ]);
    const { args } = decodeFunctionData({ abi: kmsNodeAbi, data: signed[0]?.data as `0x${string}` });
    const expected = [a, b, c]
      .toSorted()
      .slice(0, 2)
      .map((wallet) => offer.signatures.get(wallet));
    expect(args).toEqual([0n, offer.hash, BigInt(VALID_UNTIL), expected]);
    expect(logs.named('activation.sent')).toEqual([{ epoch: 0, hash: offer.hash, signatures: 2, transaction: '0xhash' }]);
  });
  it('sends once until it is time to try again, then with a higher fee', async () => {
    const { relay, signed } = setUp();
    for (const block of [HEAD, HEAD + 1, HEAD + RELAY_RETRY_BLOCKS - 1]) await relay.send(e0, offer, at(block));
    expect(signed).toHaveLength(1);
    await relay.send(e0, offer, at(HEAD + RELAY_RETRY_BLOCKS));
    expect(signed.map((each) => each.maxFeePerGas)).toEqual([21n, 42n]);
  });
  it('starts afresh for another epoch', async () => {
    const { relay, signed } = setUp();
    await relay.send(e0, offer, at(HEAD));
    await relay.send(epochOf(1), offer, at(HEAD + 1));
    expect(signed.map((each) => each.maxFeePerGas)).toEqual([21n, 21n]);
  });
  it('signs nothing that its wallet cannot pay for, and says so', async () => {
    const { relay, signed, chain, logs } = setUp();
    const needed = 260_000n * 21n;
    chain.account = () => Promise.resolve({ balanceWei: needed - 1n, nonce: 0 });
    await relay.send(e0, offer, at(HEAD));
    expect([signed.length, logs.named('activation.failed').length]).toEqual([0, 1]);
    chain.account = () => Promise.resolve({ balanceWei: needed, nonce: 0 });
    const again = setUp();
    again.chain.account = chain.account;
    await again.relay.send(e0, offer, at(HEAD));
    expect(again.signed).toHaveLength(1);
  });
  it('survives a chain that refuses it, and hides no mistake of this program', async () => {
    const { relay, chain, logs } = setUp();
    chain.estimateGas = () => Promise.reject(new Refusal('chain_unavailable', 'reverted'));
    await relay.send(e0, offer, at(HEAD));
    expect(logs.named('activation.failed')).toEqual([{ epoch: 0, reason: 'chain_unavailable', detail: 'reverted' }]);
    const broken = setUp();
    broken.chain.fees = () => Promise.reject(new TypeError('a mistake'));
    await expect(broken.relay.send(e0, offer, at(HEAD))).rejects.toThrow('a mistake');
  });
  it('S-H5 counts no signer that is not eligible at the head', () => {
    const without = blocksOf({}, { operators: [operator(a, 1), operator(b, 2, { eligible: false }), operator(c, 3)] });
    expect(inContractOrder(offer, without)).toEqual([a, c].toSorted().map((wallet) => offer.signatures.get(wallet)));
  });
});
