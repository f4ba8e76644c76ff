/**
 * `POST /operator/vote` (`docs/protocol.md` clause 14.6): the node's wallet signs one text for `KMSRegistry`. What is asked for is read
 * into a vote, and the text is made of that: nobody brings a text of their own. Whether the vote still means anything is the contract's to
 * judge.
 */
import { eligibleMemberOf, memberOf } from '../core/chain/view.ts';
import { parseSignature } from '../core/crypto/wallet.ts';
import { Refusal } from '../core/errors.ts';
import { parseEpoch, parseHash } from '../core/identity.ts';
import { ENDORSEMENT_LIFE_BLOCKS, VOTE_BODY_BYTES_MAX } from '../core/limits.ts';
import { unknownMember } from '../core/wire/json.ts';
import { voteText } from '../core/wire/pop.ts';
import type { Kms } from '../core/kms.ts';
import type { JsonObject } from '../core/wire/json.ts';
import type { Motion, Vote } from '../core/wire/pop.ts';
import type { Deed } from './operators.ts';

export const vote: Deed = {
  bodyBytesMax: VOTE_BODY_BYTES_MAX,
  async work(kms, registrant, asked) {
    const parsed = parseVote(asked);
    requireVoter(kms, parsed);
    const { identity, profile, signer, audit } = kms;
    const text = voteText(profile.chainId, profile.kmsRegistry, parsed);
    const signature = await signer.sign(text);
    if (!parseSignature(signature)) throw new Refusal('odyn_unavailable', 'its signature has not 65 bytes');
    const { purpose, subject, validUntilBlock } = parsed;
    audit.record('vote_signed', { purpose, subject: String(subject), valid_until_block: validUntilBlock, registrant });
    return { node: identity.wallet, text, signature, valid_until_block: validUntilBlock };
  },
};

/** Throws a reason for the first field that is wrong. */
function parseVote(asked: JsonObject): Vote {
  if (unknownMember(asked, ['purpose', 'subject', 'valid_until_block']) !== undefined) throw new Refusal('field_unknown');
  const { valid_until_block: validUntilBlock } = asked;
  const motion = parseMotion(asked);
  if (typeof validUntilBlock !== 'number' || !Number.isSafeInteger(validUntilBlock)) throw new Refusal('valid_until_malformed');
  return { ...motion, validUntilBlock };
}

function parseMotion({ purpose, subject }: JsonObject): Motion {
  switch (purpose) {
    case 'veto':
      return { purpose, subject: required(parseChangeId(subject)) };
    case 'rotate':
      return { purpose, subject: required(parseEpoch(subject)) };
    case 'remove_measurement':
      return { purpose, subject: required(typeof subject === 'string' ? parseHash(subject) : undefined) };
    default:
      throw new Refusal('purpose_malformed');
  }
}

function required<Subject>(subject: Subject | undefined): Subject {
  if (subject === undefined) throw new Refusal('subject_malformed');
  return subject;
}

/** A uint256 as the contract writes it: another spelling would be another text. */
function parseChangeId(value: unknown): bigint | undefined {
  if (typeof value !== 'string' || !/^(?:0|[1-9]\d{0,77})$/.test(value)) return undefined;
  const id = BigInt(value);
  return id < 1n << 256n ? id : undefined;
}

/** Throws the reason for which the contract would not count this node's vote, or why it would live too long. */
function requireVoter({ view, identity: { wallet } }: Kms, { purpose, validUntilBlock }: Vote): void {
  const state = view.state();
  if (state.kind !== 'fresh') throw new Refusal(state.reason, state.detail);
  const { blocks } = state;
  if (!memberOf(blocks, wallet)) throw new Refusal('not_live', 'nobody counts its vote');
  // Which change a veto is for, and so whether it needs more, is the contract's to know.
  if (purpose !== 'veto' && !eligibleMemberOf(blocks, wallet)) throw new Refusal('not_eligible', `for ${purpose}`);
  const lifeBlocks = validUntilBlock - blocks.head.blockNumber;
  if (lifeBlocks < 1 || lifeBlocks > ENDORSEMENT_LIFE_BLOCKS)
    throw new Refusal('valid_until_malformed', `${lifeBlocks} blocks from head ${blocks.head.blockNumber}`);
}
