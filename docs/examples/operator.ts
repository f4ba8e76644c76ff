/**
 * Asks a node as one of its operators: PRIVATE_KEY is that of the account that registered it, or of the owner of KMSRegistry. Who the node
 * is stands on the chain, and only what its wallet signed for this very request is believed.
 * `RPC_URL=… KMS_REGISTRY=0x… PRIVATE_KEY=0x… npx node docs/examples/operator.ts https://node-1.kms.example.com status`
 * `… vote veto 4 <block>` has the node sign a vote until that block, for the first of the two alone (`rotate <epoch>`, `remove_measurement <0x…>`).
 * `… audit` prints the records of its trail and says whether it is whole; `… audit <seq>:<hash>` what came after that. `… milestones` does the
 * same with those that stay in memory when apps have pushed the others out.
 */
import { createPublicClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { isMilestone } from '../../core/audit-kinds.ts';
import { verifyMilestones, verifyTrail } from '../../core/audit/verify.ts';
import { kmsRegistryAbi } from '../../core/chain/abi.ts';
import { proveBySignature } from '../../core/client/proofs.ts';
import { parseWallet } from '../../core/identity.ts';
import { systemClock as clock, systemRandom as random } from '../../core/platform/system.ts';

const { RPC_URL, KMS_REGISTRY, PRIVATE_KEY } = process.env;
const [nodeUrl, command, seen, subject, block] = process.argv.slice(2);
const isTrail = command === 'audit' || command === 'milestones';
const isCommand = command === 'status' || isTrail || (command === 'vote' && block !== undefined);
if (!RPC_URL || !KMS_REGISTRY || !PRIVATE_KEY || !nodeUrl || !isCommand)
  throw new Error(
    'RPC_URL=… KMS_REGISTRY=0x… PRIVATE_KEY=0x… npx node docs/examples/operator.ts <node URL> status | audit [<seq>:<hash>] | milestones [<seq>:<hash>] | vote <purpose> <subject> <block>',
  );

const account = privateKeyToAccount(PRIVATE_KEY as `0x${string}`);
const reader = createPublicClient({ transport: http(RPC_URL) });
const view = await reader.readContract({ address: KMS_REGISTRY as `0x${string}`, abi: kmsRegistryAbi, functionName: 'clusterView' });
const url = new URL(nodeUrl).origin;
const entry = view.operators.findLast(({ instanceUrl, superseded }) => instanceUrl === url && !superseded);
const [node, wallet] = [parseWallet(entry?.wallet ?? ''), parseWallet(account.address)];
if (!node || !wallet) throw new Error(`the registry has no operator at ${url}`);

const prover = {
  ...{ chainId: Number(view.chainId), wallet, clock, random },
  signer: { sign: (text: string) => account.signMessage({ message: text }) },
  fetch: () => Promise.reject(new Error('a request signature needs no call before it')),
};

async function ask(path: string, asked?: object): Promise<Record<string, unknown>> {
  const content = asked && new TextEncoder().encode(JSON.stringify(asked));
  const request = { method: asked ? 'POST' : 'GET', url: `${url}${path}`, body: content } as const;
  const signal = AbortSignal.timeout(30_000);
  const { headers, complaint } = await proveBySignature(prover, { wallet: node!, url }, request, {
    timeoutMs: 30_000,
    signal,
  });
  const response = await fetch(request.url, { method: request.method, headers, signal, redirect: 'error', body: content ?? null });
  const body = new Uint8Array(await response.arrayBuffer());
  const fault = complaint({ status: response.status, headers: response.headers, body });
  const text = new TextDecoder().decode(body);
  if (fault !== undefined || response.status !== 200) throw new Error(`${path}: ${response.status}, ${fault ?? 'signed'}: ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

if (command === 'status') console.log(JSON.stringify(await ask('/operator/status'), null, 2));
else if (command === 'vote') {
  const vote = { purpose: seen, subject: seen === 'rotate' ? Number(subject) : subject, valid_until_block: Number(block) };
  console.log(JSON.stringify(await ask('/operator/vote', vote), null, 2));
} else {
  const [seq, hash = ''] = seen?.split(':') ?? [];
  const after = seq === undefined ? undefined : { seq: Number(seq), hash };
  const head = await ask('/audit/head');
  const read = async (path: string, first: number): Promise<Record<string, unknown>[]> => {
    const records: Record<string, unknown>[] = [];
    for (let from: unknown = first; from !== null && Number(from) <= Number(head.seq);) {
      const page = await ask(`${path}?from=${String(from)}`);
      records.push(...(page.records as Record<string, unknown>[]));
      from = page.next;
    }
    // What was recorded while the pages were read belongs to a later head.
    return records.filter((record) => Number(record.seq) <= Number(head.seq));
  };
  const first = after ? after.seq + 1 : 1;
  const expected = { node, ...(after && { after }) };
  const records = await read('/audit', command === 'audit' ? first : Number(head.seq));
  const milestones = command === 'audit' ? [] : await read('/audit/milestones', first);
  for (const record of command === 'audit' ? records : milestones) console.log(JSON.stringify(record));
  const verdict = command === 'audit' ? verifyTrail(records, head, expected) : verifyMilestones(milestones, records, head, expected);
  if (verdict.kind === 'broken') throw new Error(`the trail is broken at ${verdict.seq}: ${verdict.fault}`);
  const newest = records.at(-1);
  const mark = isMilestone(newest?.kind) ? head.hash : newest?.mark;
  const next =
    command === 'audit' ? `${verdict.to}:${String(head.hash)}` : `${String(milestones.at(-1)?.seq ?? after?.seq)}:${String(mark)}`;
  console.log(`whole from ${verdict.from} to ${verdict.to}, boot ${String(head.incarnation)} of ${node}; next time after ${next}`);
}
