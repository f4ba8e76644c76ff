/**
 * Requests bent by their structure: a tree of DER is taken apart, some of its elements are changed, its lengths are written
 * right or wrong, and in half of the cases the result is signed anew, so that what lies behind the signature is reached too.
 */
import { bytesOf, childrenOf, encodeDer, parseDer } from '../../../core/ca/der.ts';
import { encodePem } from '../../../core/ca/pem.ts';
import { concat, utf8 } from '../../../core/wire/bytes.ts';
import { flipped } from '../fakes.ts';
import {
  ALGORITHM,
  csrOf,
  ecSigning,
  ed25519Signing,
  extensionOf,
  extensionRequest,
  rsaHostSigning,
  secp256k1Signing,
} from './fixtures.ts';
import type { Element } from '../../../core/ca/der.ts';
import type { Signing } from './fixtures.ts';

interface Node {
  tag: number;
  /** Of a constructed element. */
  children: Node[] | undefined;
  content: Uint8Array;
  /** Instead of what an element is otherwise encoded as. */
  raw?: (right: Uint8Array) => Uint8Array;
}

export interface Dice {
  below(bound: number): number;
  pick<T>(choices: readonly T[]): T;
}

/** Mulberry32: any number is a seed, and the same one gives the same run. */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  function below(bound: number): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }
  return { below, pick: (choices) => choices[below(choices.length)] as (typeof choices)[number] };
}

export interface Mutated {
  readonly csr: Uint8Array;
  readonly what: string;
}

export function createMutator(): (dice: Dice) => Mutated {
  const signings = [ecSigning('P-256'), ecSigning('P-384'), ed25519Signing(), rsaHostSigning()];
  const attributes = encodeDer(0xa0, extensionRequest(extensionOf('2.5.29.19', true, bytesOf('30060101ff020100'))));
  const originals = signings.map((signing) => ({ signing, tree: read(parseDer(csrOf(signing, { attributes }), 16) as Element) }));
  const parts = [...signings.map(({ spki }) => spki), secp256k1Signing().spki, ...Object.values(ALGORITHM)].map(
    (bytes) => parseDer(bytes, 16) as Element,
  );
  return (dice) => {
    const { signing, tree } = dice.pick(originals);
    const root = copyOf(tree);
    const names = Array.from({ length: 1 + dice.below(3) }, () => {
      const { name, change } = dice.pick(CHANGES);
      change(dice.pick(nodesOf(root)), dice, parts);
      return name;
    });
    const resigned = dice.below(2) === 0 && signAnew(root, signing);
    const written = dice.below(8) === 0 ? blur(write(root), dice) : write(root);
    const csr = dice.below(8) === 0 ? utf8(encodePem('CERTIFICATE REQUEST', written)) : written;
    return { csr, what: `${names.join(', ')}${resigned ? ', signed anew' : ''}` };
  };
}

type Change = (node: Node, dice: Dice, parts: readonly Element[]) => void;

const CHANGES: readonly { readonly name: string; readonly change: Change }[] = [
  {
    name: 'another tag',
    change: (node, dice) =>
      void (node.tag = dice.pick([0x30, 0x31, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x24, 0xa0, 0x00, 0x1f, dice.below(256)])),
  },
  { name: 'no element', change: (node) => void (node.raw = () => new Uint8Array(0)) },
  { name: 'twice', change: (node) => void (node.raw = (right) => concat(right, right)) },
  { name: 'a copy in itself', change: (node) => void node.children?.push(copyOf(node)) },
  { name: 'a child less', change: (node, dice) => void node.children?.splice(dice.below(node.children.length + 1), 1) },
  { name: 'children turned round', change: (node) => void node.children?.reverse() },
  { name: 'empty', change: (node) => void setContent(node, new Uint8Array(0)) },
  {
    name: 'a bit turned',
    change: (node, dice) =>
      void (
        node.content.length > 0 &&
        !node.children &&
        (node.content = flipped(node.content, dice.below(node.content.length), dice.below(8)))
      ),
  },
  { name: 'noise inside', change: (node, dice) => void setContent(node, noise(dice, dice.below(40))) },
  { name: 'much noise inside', change: (node, dice) => void setContent(node, noise(dice, 200 + dice.below(3_000))) },
  { name: 'longer by a byte', change: (node, dice) => void (!node.children && (node.content = concat(node.content, noise(dice, 1)))) },
  { name: 'a zero before it', change: (node) => void (!node.children && (node.content = concat(Uint8Array.of(0), node.content))) },
  { name: 'another part', change: (node, dice, parts) => void Object.assign(node, read(dice.pick(parts))) },
  {
    name: 'a length that is wrong',
    change: (node, dice) => void (node.raw = (right) => (right.length < 2 ? right : flipped(right, 1, dice.below(8)))),
  },
  { name: 'a length too long a form', change: (node) => void (node.raw = (right) => longForm(right)) },
  {
    name: 'an indefinite length',
    change: (node) => void (node.raw = (right) => concat(right.subarray(0, 1), bytesOf('80'), contentOf(right), bytesOf('0000'))),
  },
  {
    name: 'a huge length',
    change: (node, dice) =>
      void (node.raw = (right) =>
        concat(right.subarray(0, 1), bytesOf(dice.pick(['84ffffffff', '83ffffff', '82ffff', '88ffffffffffffffff'])), contentOf(right))),
  },
  { name: 'wrapped', change: (node, dice) => wrap(node, 1 + dice.below(3)) },
  { name: 'wrapped deeply', change: (node, dice) => wrap(node, 10 + dice.below(300)) },
  {
    name: 'many empty ones inside',
    change: (node, dice) => void setContent(node, bytesOf(dice.pick(['0500', '3000', '3100', '0400']).repeat(1 + dice.below(4_000)))),
  },
];

/** As it is now, without what will be done to its encoding. */
function copyOf({ tag, children, content }: Node): Node {
  return { tag, children: children?.map(copyOf), content: content.slice() };
}

function setContent(node: Node, content: Uint8Array): void {
  node.children = undefined;
  node.content = content;
}

function wrap(node: Node, levels: number): void {
  node.raw = (right) => {
    let wrapped = right;
    for (let level = 0; level < levels && wrapped.length < 20_000; level += 1) wrapped = encodeDer(0x30, wrapped);
    return wrapped;
  };
}

function noise(dice: Dice, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => dice.below(256));
}

/** Bytes changed, cut or added without regard to any structure. */
function blur(bytes: Uint8Array, dice: Dice): Uint8Array {
  const at = dice.below(Math.max(1, bytes.length));
  return dice.pick([
    () => flipped(bytes, at, dice.below(8)),
    () => bytes.subarray(0, at),
    () => concat(bytes, noise(dice, 1 + dice.below(4))),
    () => concat(bytes.subarray(0, at), noise(dice, 1 + dice.below(4)), bytes.subarray(at)),
  ])();
}

function read(element: Element): Node {
  const isConstructed = (element.tag & 0x20) !== 0;
  return { tag: element.tag, children: isConstructed ? childrenOf(element).map(read) : undefined, content: element.content.slice() };
}

function write(node: Node): Uint8Array {
  const content = node.children ? concat(...node.children.map(write)) : node.content;
  const right = encodeDer(node.tag, content);
  return node.raw ? node.raw(right) : right;
}

function nodesOf(node: Node): Node[] {
  return [node, ...(node.children ?? []).flatMap(nodesOf)];
}

/** False when what is to be signed, or where the signature goes, is not there any more. */
function signAnew(root: Node, signing: Signing): boolean {
  const [signed, , signature] = root.children ?? [];
  if (!signed || !signature || signature.raw || signature.children) return false;
  signature.content = concat(Uint8Array.of(0), signing.sign(write(signed)));
  return true;
}

function contentOf(element: Uint8Array): Uint8Array {
  const first = element[1] ?? 0;
  return element.subarray(first < 0x80 ? 2 : 2 + (first & 0x7f));
}

function longForm(element: Uint8Array): Uint8Array {
  const content = contentOf(element);
  return concat(element.subarray(0, 1), Uint8Array.of(0x83, content.length >> 16, content.length >> 8, content.length), content);
}
