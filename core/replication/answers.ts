/** What a peer's deltas and cursors are answered with (`docs/protocol.md` clause 13.4). */
import { DATA_FRAME_BYTES_MAX } from '../limits.ts';
import { decodeHeader } from '../store/record.ts';
import { recordBytes } from './fields.ts';
import { decodeAck, decodeDelta, encodeAckAnswer, encodeDeltaAnswer } from './messages.ts';
import type { Operator } from '../chain/registry.ts';
import type { FrameHandler } from '../cluster/sessions.ts';
import type { Store } from '../store/interface.ts';
import type { TravellingRecord } from '../store/record.ts';
import type { Cursors } from './cursors.ts';
import type { Intake } from './intake.ts';

export interface AnswersDependencies {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly intake: Intake;
  readonly isReady: () => boolean;
}

export function createAnswers({ store, cursors, intake, isReady }: AnswersDependencies): Readonly<Record<'delta' | 'ack', FrameHandler>> {
  /** What stands where those would, as much as fits: who wrote them may tell its caller at once. */
  function winnersOver(records: readonly TravellingRecord[]): TravellingRecord[] {
    let bytes = 0;
    return records.flatMap((record) => {
      const header = decodeHeader(record.header);
      const winner = header && store.held(header.appId, header.key);
      const travelling = winner && store.travelling(winner);
      bytes += travelling ? recordBytes(travelling) : 0;
      return travelling && bytes <= DATA_FRAME_BYTES_MAX ? [travelling] : [];
    });
  }

  async function answerDelta({ wallet }: Operator, payload: Uint8Array): Promise<Uint8Array> {
    const { incarnation, records, offers } = decodeDelta(payload);
    cursors.meet(wallet, incarnation);
    const verdicts = intake.merge(wallet, records);
    const lost = verdicts.map((verdict) => verdict.kind === 'superseded' && verdict.isConcurrent);
    return encodeDeltaAnswer({
      incarnation: store.incarnation(),
      isReady: isReady(),
      refused: verdicts.flatMap((verdict, index) => (verdict.kind === 'refused' ? [{ index, reason: verdict.reason }] : [])),
      superseded: verdicts.flatMap((verdict, index) =>
        verdict.kind === 'superseded' && verdict.isConcurrent ? [{ index, version: verdict.version }] : [],
      ),
      records: winnersOver(records.filter((_record, index) => lost[index])),
      wanted: offers.flatMap((offer, index) => (store.has(offer) ? [] : [index])),
    });
  }

  /** What is said of an earlier incarnation of this store says nothing of this one. */
  async function answerAck({ wallet }: Operator, payload: Uint8Array): Promise<Uint8Array> {
    const { incarnation, of, through } = decodeAck(payload);
    const cursor = cursors.meet(wallet, incarnation);
    if (of === store.incarnation()) cursors.base(cursor, through);
    return encodeAckAnswer(store.incarnation());
  }

  return { delta: answerDelta, ack: answerAck };
}
