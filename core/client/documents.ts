/**
 * Documents of this app's enclave with its proofs (`docs/protocol.md` clause 3.4): for a node that asks for one, and for each node once
 * where the profile says that they do. A document says nothing that Odyn would not tell anybody, so nobody has to be believed who asks for
 * it.
 */
import { CALLER_DOCUMENT_BYTES_MAX, OPERATORS_MAX } from '../limits.ts';
import { assert, Refusal } from '../errors.ts';
import { base64 } from '../wire/bytes.ts';
import { AttemptFailed, DocumentAsked } from './error.ts';
import type { NetworkProfile } from '../networks.ts';
import type { AttestedSigner } from '../ports.ts';
import type { Wallet } from '../identity.ts';
import type { Prove } from './proofs.ts';

export type AppSigner = Pick<AttestedSigner, 'address' | 'sign'> & Partial<Pick<AttestedSigner, 'signAttested'>>;

export interface Documents {
  /** One try at this node with the proof that it takes; a second one when it then asks for a document. */
  attempt<T>(node: Wallet, tryWith: (prove: Prove) => Promise<T>): Promise<T>;
}

export function createDocuments(prove: Prove, { signAttested }: AppSigner, required: NetworkProfile['appAttestation']): Documents {
  /** Nodes that answered to a document, and have not asked again since. */
  const satisfied = new Set<Wallet>();
  const attesting = signAttested ? withDocument(prove, signAttested) : undefined;

  async function attest<T>(node: Wallet, proving: Prove, tryWith: (prove: Prove) => Promise<T>): Promise<T> {
    const result = await tryWith(proving);
    if (satisfied.size >= OPERATORS_MAX) satisfied.clear();
    satisfied.add(node);
    return result;
  }

  return {
    async attempt(node, tryWith) {
      if (attesting && required === 'require' && !satisfied.has(node)) return await attest(node, attesting, tryWith);
      try {
        return await tryWith(prove);
      } catch (error) {
        if (!(error instanceof DocumentAsked)) throw error;
        // It began anew, and remembers nobody; or the registry has something new of us.
        if (attesting) return await attest(node, attesting, tryWith);
        const detail = `${error.message}: a document of this app’s enclave, which these keys cannot give`;
        throw new AttemptFailed(error.outcome, detail, error, error.isUndone);
      }
    },
  };
}

/** The same proof, with the hardware's word for the text that is signed. */
function withDocument(prove: Prove, signAttested: AttestedSigner['signAttested']): Prove {
  return async (dependencies, node, request, limits) => {
    let document: Uint8Array | undefined;
    const signer = {
      async sign(text: string) {
        const attested = await signAttested(text);
        document = attested.document;
        return attested.signature;
      },
    };
    const proven = await prove({ ...dependencies, signer }, node, request, limits);
    assert(document !== undefined, 'a proof signs one text');
    if (document.length > CALLER_DOCUMENT_BYTES_MAX) throw new Refusal('odyn_unavailable', `a document of ${document.length} bytes`);
    return { ...proven, headers: { ...proven.headers, 'x-kms-attestation': base64(document) } };
  };
}
